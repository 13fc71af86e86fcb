"""The page of a request that failed because migrations wait."""

import traceback

from django.db import OperationalError, ProgrammingError
from django.template.loader import render_to_string
from django.views.debug import ExceptionReporter as DjangoExceptionReporter

from django_compose_stack.dashboard.database import look
from django_compose_stack.dashboard.local import has_known_host, why_not_local

UNDEFINED = {"42P01", "42703"}  # SQLSTATE of a table and of a column that is missing
SQLITE_UNDEFINED = ("no such table", "no such column", "has no column named")


def is_about_schema(error: BaseException | None) -> bool:
    """Say whether an error of Postgres or SQLite tells of a table or a column that is missing."""
    if not isinstance(error, ProgrammingError | OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state in UNDEFINED or any(words in str(error) for words in SQLITE_UNDEFINED)


class ExceptionReporter(DjangoExceptionReporter):
    """Django's, but for a missing table or column while migrations wait: then it shows those and a button.

    Unlike a middleware's process_exception it also sees what fails outside of views.
    """

    def get_traceback_html(self):
        if self.request and is_about_schema(self.exc_value) and has_known_host(self.request):
            database = look()
            if database.pending:
                return self.pending_html(database)
        return super().get_traceback_html()

    def pending_html(self, database):
        context = {
            "database": database,
            "error": str(self.exc_value).partition("\n")[0],
            # Not Django's text, which shows every local variable, and to show a queryset is to run its query again.
            "traceback": "".join(traceback.format_exception(self.exc_value)),
            "not_local": why_not_local(self.request),
            # What was sent with any other method would be lost on the way.
            "next": self.request.get_full_path() if self.request.method == "GET" else "",
        }
        return render_to_string("stack/pending.html", context, self.request)


class ReportMiddleware:
    """Let requests be reported by the class above.

    The setting DEFAULT_EXCEPTION_REPORTER would do it too, but Django imports that while it configures logging, long
    before there are apps.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.exception_reporter_class = ExceptionReporter
        return self.get_response(request)
