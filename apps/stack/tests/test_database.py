from unittest import mock

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.db import OperationalError, connection

from apps.stack import database

REFUSED = OperationalError('connection to server at "db", port 5432 failed: Connection refused')
STARTING = OperationalError("FATAL:  the database system is starting up")
WRONG_PASSWORD = OperationalError('FATAL:  password authentication failed for user "app"')


@pytest.fixture
def said(monkeypatch):
    """The lines that the wait printed. It waits without taking time."""
    monkeypatch.setitem(connection.settings_dict, "HOST", "db")
    monkeypatch.setattr(database, "PAUSE", 0)
    return []


def answers(*results):
    return mock.patch.object(connection, "ensure_connection", side_effect=results)


def test_database_that_answers_is_not_waited_for(said):
    with answers(None) as connect:
        database.wait_for_database(connection, said.append)

    assert connect.call_count == 1
    assert said == []


def test_starting_database_is_waited_for_and_said_once(said):
    with answers(REFUSED, REFUSED, STARTING, None) as connect:
        database.wait_for_database(connection, said.append)

    assert connect.call_count == 4
    assert said == ["Waiting for the database at db."]


def test_refused_password_is_not_waited_for(said):
    with answers(WRONG_PASSWORD) as connect:
        database.wait_for_database(connection, said.append)

    assert connect.call_count == 1


def test_wait_ends(said, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0)

    with answers(REFUSED) as connect:
        database.wait_for_database(connection, said.append)

    assert connect.call_count == 1


def test_database_file_is_not_waited_for(said, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "HOST", "")

    with answers(OperationalError("unable to open database file")) as connect:
        database.wait_for_database(connection, said.append)

    assert connect.call_count == 1


@pytest.mark.django_db
def test_migrate_waits():
    with mock.patch("apps.stack.management.commands.migrate.wait_for_database") as wait:
        call_command("migrate", verbosity=0)

    assert wait.call_args.args[0].alias == connection.alias


@pytest.mark.django_db
def test_runserver_waits():
    with mock.patch("apps.stack.management.commands.runserver.wait_for_database") as wait:
        load_command_class(get_commands()["runserver"], "runserver").check_migrations()

    assert wait.call_args.args[0].alias == connection.alias
