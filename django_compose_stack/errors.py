"""The error pages that visitors see."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.views.defaults import server_error as django_server_error

RETRY_AFTER = 5  # seconds
# Of MySQL, which has one class for this and for mistakes such as an unknown column: too many connections, the server
# ends, its disk or table is full, a lock, a deadlock, read-only. Those of a lost connection are from 2000 to 2999.
BUSY = {1040, 1053, 1021, 1114, 1205, 1213, 1290, 1927}


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 with Retry-After if the database is unavailable, and 500 as Django does for any other error.

    As handler500 it also handles errors outside of views, in middleware.
    """
    if is_unavailable(sys.exc_info()[1]):
        headers = {"Retry-After": str(RETRY_AFTER)}
        return SimpleTemplateResponse("503.html", status=503, headers=headers).render()
    return django_server_error(request)


def is_unavailable(error: BaseException | None) -> bool:
    """Return whether an error is the database's, and not the application's."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    number = next(iter(error.args), None)
    # That of PyMySQL for a connection that is closed is 0.
    return not isinstance(number, int) or number in BUSY or number == 0 or 2000 <= number < 3000
