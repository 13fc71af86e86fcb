"""Connecting to a database that is still starting.

Compose starts the web container and the database at the same time, because Django loads while the database starts. So
the first connection, of runserver, migrate or a script, may be too early.
"""

import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

START_TIMEOUT = 60  # seconds from the start of this process; a new volume on a slow disk takes several
NAME_TIMEOUT = 5  # seconds; a stopped container has no name in the network, and a restarting one is back sooner
PAUSE = 0.05  # seconds between two attempts
COMMANDS = {"MainThread", "django-main-thread"}  # Django's own reloader runs runserver in the second

started = time.monotonic()


def connect(attempt: Callable[[], Any], host: str, error: type[Exception], is_starting, has_no_name) -> Any:
    """Return what `attempt` returns, which is called until the server answers, or waiting makes no sense.

    error: what the driver raises. is_starting, has_no_name: tell from its text whether a server that starts says so,
    or that the network has no such name.
    A command waits. A request should not: the browser shows the error.
    """
    for number in count():
        try:
            return attempt()
        except error as failure:
            text = str(failure)
            timeout = NAME_TIMEOUT if has_no_name(text) else START_TIMEOUT
            is_command = threading.current_thread().name in COMMANDS
            if not (is_command and is_starting(text) and time.monotonic() < started + timeout):
                raise
        if number == 0:
            print(f"Waiting for the database at {host}.", file=sys.stderr)
        time.sleep(PAUSE)
    return None
