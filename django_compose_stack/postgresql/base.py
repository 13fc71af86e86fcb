"""Django's PostgreSQL backend for development: it waits for a server that is still starting.

Compose starts the web container and the database at the same time, because Django loads while the database starts. So
the first connection, of runserver, migrate or a script, may be too early.
"""

import os
import sys
import threading
import time
from itertools import count

from django.db.backends.postgresql import base, creation

START_TIMEOUT = 60  # seconds from the start of this process; a new volume on a slow disk takes several
NAME_TIMEOUT = 5  # seconds; a stopped container has no name in the network, and a restarting one is back sooner
PAUSE = 0.05  # seconds between two attempts
COMMANDS = {"MainThread", "django-main-thread"}  # Django's own reloader runs runserver in the second

started = time.monotonic()


class DatabaseCreation(creation.DatabaseCreation):
    """Where processes run tests at the same time (pytest-xdist), one migrates, and the others copy its database."""

    def create_test_db(self, *args, **options):
        make = creation.DatabaseCreation.create_test_db
        if "PYTEST_XDIST_WORKER" not in os.environ:
            return make(self, *args, **options)
        from django_fast_reload.database_template import create

        return create(self, make, *args, **options)


class DatabaseWrapper(base.DatabaseWrapper):
    creation_class = DatabaseCreation

    def get_new_connection(self, conn_params):
        for attempt in count():
            try:
                return super().get_new_connection(conn_params)
            except base.Database.OperationalError as error:
                if not is_worth_waiting(error):
                    raise
            if attempt == 0:
                print(f"Waiting for the database at {conn_params['host']}.", file=sys.stderr)
            time.sleep(PAUSE)


def is_worth_waiting(error: Exception) -> bool:
    """Return whether a command should try again after this error. A request should not: the browser shows the error.

    A starting server refuses connections, or answers "the database system is starting up" or similar. Waiting does not
    fix any other FATAL error, such as a wrong password.
    """
    final = "FATAL" in str(error) and "the database system is" not in str(error)
    timeout = NAME_TIMEOUT if "failed to resolve host" in str(error) else START_TIMEOUT
    return threading.current_thread().name in COMMANDS and not final and time.monotonic() < started + timeout
