"""The last requests: how long each took, and how many queries it made.

They are kept in the memory of this process, so each reload of the code starts a new list. A streaming response is
measured up to its first byte.
"""

import time
from collections import Counter, deque
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connections

from django_compose_stack.dashboard.report import ExceptionReporter

KEPT = 15
PATH_LENGTH = 200  # characters
OWN = "/_stack/"


class Entry(NamedTuple):
    """One request. ms, query_ms: milliseconds; alike: how often its most frequent query was made.

    path: without the query string, which may contain a token.
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


def recent() -> list[Entry]:
    """Return the entries, newest first."""
    # A copy, which another thread does not change meanwhile.
    return list(reversed(entries.copy()))


def recorded(get_response):
    """Record each request except the dashboard's own, with the time that all later middleware takes.

    An error of any request is reported by the class of the dashboard.
    """

    def middleware(request):
        request.exception_reporter_class = ExceptionReporter
        if request.path.startswith(OWN):
            return get_response(request)
        # Without parameters: the same text many times is a query in a loop.
        texts, seconds = Counter(), []

        def timed(execute, sql, params, many, context):
            start = time.perf_counter()
            try:
                return execute(sql, params, many, context)
            finally:
                seconds.append(time.perf_counter() - start)
                texts[str(sql)] += 1

        at, start = datetime.now(UTC), time.perf_counter()
        with ExitStack() as stack:
            for connection in connections.all():
                stack.enter_context(connection.execute_wrapper(timed))
            response = get_response(request)
        entry = Entry(
            at,
            request.method,
            request.path[:PATH_LENGTH],
            response.status_code,
            (time.perf_counter() - start) * 1000,
            texts.total(),
            sum(seconds) * 1000,
            max(texts.values(), default=0),
        )
        entries.append(entry)
        return response

    return middleware
