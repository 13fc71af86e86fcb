"""Health endpoints for probes: Compose, a load balancer, an orchestrator."""

import logging
import re
import time
from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse

OK = "ok"
INTERVAL = 0.5  # seconds between two looks at something that is waited for


def database_state() -> str:
    """Say whether the database answers: "ok", or the first line of its error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return str(error).strip().partition("\n")[0]
    return OK


def migrations_state() -> str:
    """Say whether all migrations are applied: "ok", or how many are not and which comes first."""
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        return str(error).strip().partition("\n")[0]
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return OK
    return f"{len(plan)} not applied, {plan[0][0]} first; run: python manage.py migrate"


def readiness() -> dict[str, str]:
    """Return the state of each thing that a request needs, "ok" or a sentence, in the order of need."""
    state = {"database": database_state()}
    if state["database"] == OK:
        state["migrations"] = migrations_state()
    return state


def wait(state: Callable[[], str], timeout: float, say: Callable[[str], object]) -> str:
    """Call `state` until it returns "ok" or `timeout` seconds have passed; return what it returned last.

    say: is called with each new sentence that `state` returns meanwhile.
    """
    deadline = time.monotonic() + timeout
    said = None
    while (now := state()) != OK and time.monotonic() < deadline:
        if now != said:
            say(f"Waiting: {now}")
        said = now
        time.sleep(INTERVAL)
    return now


class HealthMiddleware:
    """Answer GET /healthz (this process lives) and /readyz (it can serve requests).

    It comes first in MIDDLEWARE, because a probe calls by an address that ALLOWED_HOSTS does not name and does
    not follow a redirect to https.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path == "/healthz":
            return JsonResponse({"process": OK})
        if request.path == "/readyz":
            state = readiness()
            return JsonResponse(state, status=200 if set(state.values()) == {OK} else 503)
        return self.get_response(request)


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Say whether runserver should print a request: a probe that went well, every few seconds, is noise."""
    return not re.match(r'"GET /(healthz|readyz) [^"]*" 200 ', record.getMessage())
