"""Whether the database answers and is migrated: for health probes, for commands that wait, for the dashboard."""

import logging
import re
import time
from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

OK = "ok"
INTERVAL = 0.5  # seconds between two attempts


def database_state() -> str:
    """Return "ok" if the database answers, else the first line of its error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return first_line(error)
    return OK


def unapplied_migrations() -> list[str]:
    """Return the migrations that are not applied, "app.name" in the order in which `migrate` applies them."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [str(migration) for migration, _ in plan]


def migrations_state() -> str:
    """Return "ok" if all migrations are applied, else how many are not and the first of them."""
    try:
        unapplied = unapplied_migrations()
    except DatabaseError as error:
        return first_line(error)
    if not unapplied:
        return OK
    return f"{len(unapplied)} unapplied, {unapplied[0]} first. Run: python manage.py migrate"


def first_line(error: Exception | str) -> str:
    return str(error).strip().partition("\n")[0]


def readiness() -> dict[str, str]:
    """Return the state of each thing that a request needs, "ok" or a sentence; the database comes first."""
    state = {"database": database_state()}
    if state["database"] == OK:
        state["migrations"] = migrations_state()
    return state


def wait(state: Callable[[], str], timeout: float, say: Callable[[str], object]) -> str:
    """Call `state` until it returns "ok" or `timeout` seconds have passed; return its last result.

    say: called with each new sentence that `state` returns meanwhile.
    """
    deadline = time.monotonic() + timeout
    said = None
    while (now := state()) != OK and time.monotonic() < deadline:
        if now != said:
            say(f"Waiting: {now}")
        said = now
        time.sleep(INTERVAL)
    return now


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Return whether runserver should log a request: a successful probe every few seconds is noise."""
    return not re.match(r'"GET /(healthz|readyz) [^"]*" 200 ', record.getMessage())
