"""Django's PostgreSQL backend for development: it waits for a server that is still starting."""

import os
from functools import partial

from django.db.backends.postgresql import base, creation

from django_compose_stack import waiting


class DatabaseCreation(creation.DatabaseCreation):
    """Where processes run tests at the same time (pytest-xdist), one migrates, and the others copy its database."""

    def create_test_db(self, *args, **options):
        make = creation.DatabaseCreation.create_test_db
        if "PYTEST_XDIST_WORKER" not in os.environ:
            return make(self, *args, **options)
        from django_fast_reload.database_template import create

        return create(self, make, *args, **options)


class DatabaseWrapper(base.DatabaseWrapper):
    creation_class = DatabaseCreation

    def get_new_connection(self, conn_params):
        attempt = partial(super().get_new_connection, conn_params)
        return waiting.connect(attempt, conn_params["host"], base.Database.OperationalError, is_starting, has_no_name)


def is_starting(text: str) -> bool:
    """Return whether a server may answer later.

    A starting server refuses connections, or answers "the database system is starting up" or similar. Waiting does not
    fix any other FATAL error, such as a wrong password.
    """
    return "FATAL" not in text or "the database system is" in text


def has_no_name(text: str) -> bool:
    return "failed to resolve host" in text
