from django.contrib.staticfiles.management.commands.runserver import Command as RunserverCommand
from django.core.management import call_command
from django.db import DatabaseError, connection

from apps.stack.database import wait_for_database


class Command(RunserverCommand):
    """Django's runserver; it waits for the database, and migrates one that has no tables yet, and no other."""

    def check_migrations(self):
        wait_for_database(connection, self.stdout.write)
        try:
            empty = not connection.introspection.table_names()
        except DatabaseError as error:
            self.stderr.write(f"The database does not answer: {error}")
            return
        if empty:
            self.stdout.write("The database is empty: applying migrations.")
            call_command("migrate", interactive=False, verbosity=0)
        else:
            super().check_migrations()
