"""The requests answered last: how long each took, and how many queries it made.

They are kept in this process alone, so they begin anew whenever the server loads changed code. What a streaming
response does after its first byte is not in the figures.
"""

import threading
import time
from collections import Counter, deque
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connections

KEPT = 15
PATH_LENGTH = 200  # characters
OWN = "/_stack/"


class Entry(NamedTuple):
    """One request. ms, query_ms: milliseconds; alike: how often its most frequent query was made.

    The path comes without its query string, which may hold a token.
    """

    at: datetime
    method: str
    path: str
    status: int
    ms: float
    queries: int
    query_ms: float
    alike: int


entries: deque[Entry] = deque(maxlen=KEPT)
lock = threading.Lock()


def recent() -> list[Entry]:
    """Return the entries, the newest first."""
    with lock:
        return list(reversed(entries))


class Queries:
    """Counts the queries of one request; one wrapper serves all connections of its thread."""

    def __init__(self):
        self.seconds = 0.0
        # Without their parameters: the same text many times is a query in a loop.
        self.texts: Counter[str] = Counter()

    def __call__(self, execute, sql, params, many, context):
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.seconds += time.perf_counter() - start
            self.texts[str(sql)] += 1


class RequestsMiddleware:
    """Record each request but the dashboard's own. It comes early in MIDDLEWARE, to see what the later ones cost."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path.startswith(OWN):
            return self.get_response(request)
        queries, at, start = Queries(), datetime.now(UTC), time.perf_counter()
        with ExitStack() as stack:
            for connection in connections.all():
                stack.enter_context(connection.execute_wrapper(queries))
            response = self.get_response(request)
        entry = Entry(
            at,
            request.method,
            request.path[:PATH_LENGTH],
            response.status_code,
            (time.perf_counter() - start) * 1000,
            queries.texts.total(),
            queries.seconds * 1000,
            max(queries.texts.values(), default=0),
        )
        with lock:
            entries.append(entry)
        return response
