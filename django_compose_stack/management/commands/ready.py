from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from django_compose_stack import databases
from django_compose_stack.health import OK, readiness, wait

SPARE = 10  # connections left for backups, a shell and a migration


class Command(BaseCommand):
    help = "Checks that this version can serve: the database answers, is migrated, and allows enough connections."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--wait", type=float, default=0, help="seconds to wait until it is ready; 0 checks once")

    def handle(self, **options):
        """Raise CommandError if it is not ready in time, or all replicas may open more connections than there are."""
        state = wait(self.state, options["wait"], self.stdout.write)
        if state != OK:
            raise CommandError(f"Not ready: {state}")
        database = databases.of(connection)
        with connection.cursor() as cursor:
            allowed = database.connections(cursor)
        if allowed is None:
            return
        limit = allowed - SPARE
        # A deploy starts a new replica before it stops an old one.
        wanted = (settings.WEB_REPLICAS + 1) * settings.WEB_CONCURRENCY * settings.WEB_THREADS
        if wanted > limit:
            raise CommandError(
                f"WEB_REPLICAS={settings.WEB_REPLICAS}, plus one during a deploy, times "
                f"WEB_CONCURRENCY={settings.WEB_CONCURRENCY} processes, times {settings.WEB_THREADS} threads may open "
                f"{wanted} connections, and {database.title} allows {limit}. Lower one of the two variables, or raise "
                "max_connections of the db service"
            )

    def state(self) -> str:
        return next((f"{name}: {state}" for name, state in readiness().items() if state != OK), OK)
