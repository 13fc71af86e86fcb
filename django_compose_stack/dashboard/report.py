"""The error page of a request that failed because of unapplied migrations."""

import traceback

from django.db import OperationalError, ProgrammingError
from django.template.loader import render_to_string
from django.views.debug import ExceptionReporter as DjangoExceptionReporter

from django_compose_stack.dashboard.database import look
from django_compose_stack.dashboard.local import has_known_host, why_not_local
from django_compose_stack.health import first_line

UNDEFINED = {"42P01", "42703"}  # SQLSTATE of a missing table and of a missing column
MYSQL_UNDEFINED = {1146, 1054}
SQLITE_UNDEFINED = ("no such table", "no such column", "has no column named")


def is_about_schema(error: BaseException | None) -> bool:
    """Return whether an error of Postgres, MySQL or SQLite is about a missing table or column."""
    if not isinstance(error, ProgrammingError | OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    number = next(iter(error.args), None)
    return state in UNDEFINED or number in MYSQL_UNDEFINED or any(words in str(error) for words in SQLITE_UNDEFINED)


class ExceptionReporter(DjangoExceptionReporter):
    """Django's reporter; for a missing table or column it shows the unapplied migrations, if any, and a button.

    Unlike process_exception of a middleware, it also handles errors outside of views. It is not the setting
    DEFAULT_EXCEPTION_REPORTER, which Django imports while it configures logging, before apps are loaded.
    """

    def get_traceback_html(self):
        is_ours = self.request and is_about_schema(self.exc_value) and has_known_host(self.request)
        if is_ours and (database := look()).pending:
            context = {
                "database": database,
                "error": first_line(self.exc_value),
                # Not Django's own text: it prints local variables, and printing a queryset runs its query again.
                "traceback": "".join(traceback.format_exception(self.exc_value)),
                "not_local": why_not_local(self.request),
                # The body of any other request would be lost.
                "next": self.request.get_full_path() if self.request.method == "GET" else "",
            }
            return render_to_string("stack/pending.html", context, self.request)
        return super().get_traceback_html()
