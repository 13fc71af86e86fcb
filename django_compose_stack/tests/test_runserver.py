from io import StringIO
from unittest import mock

import pytest
from django.core.management import get_commands, load_command_class
from django.db import OperationalError, connection


@pytest.fixture
def runserver():
    command = load_command_class(get_commands()["runserver"], "runserver")
    command.stdout = command.stderr = StringIO()
    return command


def tables(*names):
    return mock.patch.object(connection.introspection, "table_names", return_value=list(names))


@pytest.mark.django_db
def test_empty_database_is_migrated(runserver):
    with tables(), mock.patch("django_compose_stack.management.commands.runserver.call_command") as call:
        runserver.check_migrations()

    call.assert_called_once_with("migrate", interactive=False, verbosity=0)


@pytest.mark.django_db
def test_database_with_tables_is_never_migrated_unasked(runserver):
    with tables("anything"), mock.patch("django_compose_stack.management.commands.runserver.call_command") as call:
        runserver.check_migrations()

    call.assert_not_called()


@pytest.mark.django_db
def test_database_that_does_not_answer_is_said(runserver):
    with mock.patch.object(connection.introspection, "table_names", side_effect=OperationalError("refused")):
        runserver.check_migrations()

    assert runserver.stdout.getvalue() == "The database does not answer: refused"
