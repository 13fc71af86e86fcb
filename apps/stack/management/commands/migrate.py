from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections

from apps.stack.database import wait_for_database


class Command(MigrateCommand):
    """Django's migrate; it waits for a database that is still starting, as behind `docker compose run`."""

    def handle(self, *args, **options):
        wait_for_database(connections[options["database"]], self.stderr.write)
        return super().handle(*args, **options)
