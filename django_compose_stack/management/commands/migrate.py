import re
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from django_compose_stack import databases
from django_compose_stack.health import OK, database_state, wait
from django_fast_reload.next_command import next_command

# An app of the project may have its own, as django-tenants does.
MigrateCommand = next_command("django_compose_stack", "migrate")

LOCK_TIMEOUT = 600  # seconds to wait for another process that migrates
CHANGES = re.compile(r"\s*(CREATE|ALTER|DROP|RENAME|TRUNCATE)\b", re.I)  # of the schema


class Command(MigrateCommand):
    """Django's migrate, or the project's own, safe to run concurrently; it also creates the table of a database cache.

    Concurrent runs wait on a lock of the database, then do nothing; waiting for the lock of a table has a timeout.
    MySQL cannot roll back a change of the schema, so that a migration that fails there leaves what it had done so far:
    it is named.
    """

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--wait", type=float, default=0, help="seconds to wait for the database to answer")

    def get_check_kwargs(self, options):
        # The checks of models come first, and ask MySQL for its version.
        self.await_database(options["wait"])
        return super().get_check_kwargs(options)

    def await_database(self, timeout):
        state = wait(database_state, timeout, self.stdout.write) if timeout else OK
        if state != OK:
            raise CommandError(f"The database does not answer: {state}")

    def handle(self, *args, **options):
        self.await_database(options["wait"])
        connection = connections[options["database"]]
        with self.turn(connection), self.naming_leftovers(connection):
            super().handle(*args, **options)
            if any("DatabaseCache" in cache["BACKEND"] for cache in settings.CACHES.values()):
                call_command("createcachetable", database=options["database"], verbosity=options["verbosity"])

    @contextmanager
    def turn(self, connection):
        """Hold the lock and set the timeouts. Raises CommandError if the lock is still taken after LOCK_TIMEOUT."""
        database = databases.of(connection)
        if not database.has_locks:
            yield
            return

        # Polled: a session that waits inside Postgres holds a snapshot, and CREATE INDEX CONCURRENTLY of the session
        # that migrates waits for all snapshots, which is a deadlock.
        def taken() -> str:
            with connection.cursor() as cursor:
                return OK if database.take_turn(cursor) else "another process is migrating this database"

        if (state := wait(taken, LOCK_TIMEOUT, self.stdout.write)) != OK:
            raise CommandError(f"Gave up after {LOCK_TIMEOUT} s: {state}")
        try:
            with connection.cursor() as cursor:
                database.limit_migration(cursor)
            yield
        finally:
            # A lost connection has already released the lock.
            if connection.is_usable():
                with connection.cursor() as cursor:
                    database.end_limit(cursor)
                    database.end_turn(cursor)

    def migration_progress_callback(self, action, migration=None, fake=False):
        if action == "apply_start":
            self.applying, self.done = migration, []
        elif action == "apply_success":
            self.applying, self.done = None, []
        super().migration_progress_callback(action, migration, fake)

    @contextmanager
    def naming_leftovers(self, connection):
        """Say which changes of the schema a failed migration leaves, where the database cannot roll them back."""
        self.applying, self.done = None, []

        def record(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if CHANGES.match(str(sql)):
                self.done.append(str(sql))
            return result

        if connection.features.can_rollback_ddl:
            yield
            return
        try:
            with connection.execute_wrapper(record):
                yield
        except Exception:
            if self.applying and self.done:
                lines = "".join(f"    {' '.join(sql.split())}\n" for sql in self.done)
                self.stderr.write(
                    f"{self.applying} has failed, and {connection.display_name} cannot roll back what it had done:\n"
                    f"{lines}Rows that it had changed stay so too. Undo all of that in `make dbshell`, correct the "
                    "migration, then: make migrate"
                )
            raise
