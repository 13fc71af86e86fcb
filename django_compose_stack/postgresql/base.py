"""Django's PostgreSQL backend, for development: it waits for a server that is still starting.

Compose starts the web container beside the database, not after it, because Django loads in the time that the database
needs. So whatever connects first, runserver, migrate or a script, may be early.
"""

import sys
import threading
import time

from django.db.backends.postgresql import base

PATIENCE = 60  # seconds from the start of this process; a new volume on a slow disk takes several
GONE = 5  # seconds; a container that has ended has no name in the network, one that restarts gets it back sooner
PAUSE = 0.05  # seconds
COMMANDS = {"MainThread", "django-main-thread"}  # the second is where Django's own reloader runs runserver

started = time.monotonic()


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params):
        told = False
        while True:
            try:
                return super().get_new_connection(conn_params)
            except base.Database.OperationalError as error:
                if not is_worth_waiting(error):
                    raise
            if not told:
                told = True
                print(f"Waiting for the database at {conn_params['host']}.", file=sys.stderr)
            time.sleep(PAUSE)


def is_worth_waiting(error: Exception) -> bool:
    """Tell whether a command should try again after this error; a request should not, its browser shows it at once.

    A server that is starting refuses connections, or says that "the database system is" starting or recovering. Any
    other FATAL, such as a wrong password, does not get better by waiting.
    """
    final = "FATAL" in str(error) and "the database system is" not in str(error)
    patience = GONE if "failed to resolve host" in str(error) else PATIENCE
    return threading.current_thread().name in COMMANDS and not final and time.monotonic() < started + patience
