"""Waiting for a database that has just been started."""

import time
from collections.abc import Callable

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

PATIENCE = 60  # seconds; a new volume on a slow disk takes several
PAUSE = 0.05  # seconds


def wait_for_database(connection: BaseDatabaseWrapper, say: Callable[[str], object]) -> None:
    """Connect; return as well where the database will not answer, and leave the error to the next query.

    A server that is starting refuses connections, says that "the database system is" starting or recovering, or has
    no name in the network yet. Any other FATAL, such as a wrong password, does not get better by waiting.
    """
    host = connection.settings_dict["HOST"]
    deadline = time.monotonic() + (PATIENCE if host else 0)
    said = False
    while True:
        try:
            return connection.ensure_connection()
        except DatabaseError as error:
            final = "FATAL" in str(error) and "the database system is" not in str(error)
            if final or time.monotonic() >= deadline:
                return None
        if not said:
            say(f"Waiting for the database at {host}.")
            said = True
        time.sleep(PAUSE)
