"""The error pages that visitors see."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.views.defaults import server_error as django_server_error

RETRY_AFTER = 5  # seconds


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 with Retry-After if the database is unavailable, and 500 as Django does for any other error.

    As handler500 it also handles errors outside of views, in middleware.
    """
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        headers = {"Retry-After": str(RETRY_AFTER)}
        return SimpleTemplateResponse("503.html", status=503, headers=headers).render()
    return django_server_error(request)
