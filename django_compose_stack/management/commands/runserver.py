from django.core.management import call_command
from django.db import DatabaseError, connection

from django_fast_reload.management.commands.runserver import Command as RunserverCommand


class Command(RunserverCommand):
    """The fast development server. It applies the migrations if the database is empty, and never otherwise."""

    def check_migrations(self):
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
