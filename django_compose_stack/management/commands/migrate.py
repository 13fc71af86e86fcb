from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from django_compose_stack.health import OK, database_state, wait
from django_fast_reload.next_command import next_command

# An app of the project may have its own, as django-tenants does.
MigrateCommand = next_command("django_compose_stack", "migrate")

LOCK = int.from_bytes(b"migrate")
LOCK_TIMEOUT = 600  # seconds to wait for another process that migrates
# A migration that waits for the lock of a table blocks every request after it, so it should fail and be tried again.
# One that needs longer sets its own limit: SET LOCAL statement_timeout.
TIMEOUTS = {"lock_timeout": "5s", "statement_timeout": "15min"}


class Command(MigrateCommand):
    """Django's migrate, or the project's own, safe to run concurrently; it also creates the table of a database cache.

    On Postgres, concurrent runs wait on an advisory lock, then do nothing; locks and statements have timeouts.
    """

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--wait", type=float, default=0, help="seconds to wait for the database to answer")

    def handle(self, *args, **options):
        state = wait(database_state, options["wait"], self.stdout.write) if options["wait"] else OK
        if state != OK:
            raise CommandError(f"The database does not answer: {state}")
        with self.turn(connections[options["database"]]):
            super().handle(*args, **options)
            if any("DatabaseCache" in cache["BACKEND"] for cache in settings.CACHES.values()):
                call_command("createcachetable", database=options["database"], verbosity=options["verbosity"])

    @contextmanager
    def turn(self, connection):
        """Hold the lock and set the timeouts. Raises CommandError if the lock is still taken after LOCK_TIMEOUT."""
        if connection.vendor != "postgresql":
            yield
            return

        # Polled: a session that waits inside Postgres holds a snapshot, and CREATE INDEX CONCURRENTLY of the session
        # that migrates waits for all snapshots, which is a deadlock.
        def taken() -> str:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
                return OK if cursor.fetchone()[0] else "another process is migrating this database"

        if (state := wait(taken, LOCK_TIMEOUT, self.stdout.write)) != OK:
            raise CommandError(f"Gave up after {LOCK_TIMEOUT} s: {state}")
        try:
            with connection.cursor() as cursor:
                for name, value in TIMEOUTS.items():
                    cursor.execute(f"SET {name} = '{value}'")
            yield
        finally:
            # A lost connection has already released the lock.
            if connection.is_usable():
                with connection.cursor() as cursor:
                    for name in TIMEOUTS:
                        cursor.execute(f"RESET {name}")
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
