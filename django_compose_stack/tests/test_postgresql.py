import threading
from unittest import mock

import psycopg
import pytest
from django.db.backends.postgresql import base as django_base

from django_compose_stack import waiting
from django_compose_stack.postgresql import base

REFUSED = psycopg.OperationalError('connection to server at "db", port 5432 failed: Connection refused')
STARTING = psycopg.OperationalError("FATAL:  the database system is starting up")
NO_NAME = psycopg.OperationalError("failed to resolve host 'db': [Errno -2] Name or service not known")
WRONG_PASSWORD = psycopg.OperationalError('FATAL:  password authentication failed for user "app"')


@pytest.fixture
def connect(monkeypatch):
    """Return a function that connects to a server with the given answers, and returns how often it was asked."""
    monkeypatch.setattr(waiting, "PAUSE", 0)
    monkeypatch.setattr(waiting, "started", waiting.time.monotonic())

    def try_to_connect(*answers):
        with mock.patch.object(django_base.DatabaseWrapper, "get_new_connection", side_effect=answers) as asked:
            try:
                base.DatabaseWrapper({"HOST": "db"}).get_new_connection({"host": "db"})
            finally:
                try_to_connect.asked = asked.call_count

    return try_to_connect


def test_server_that_answers_is_not_waited_for(connect, capsys):
    connect("a connection")

    assert connect.asked == 1
    assert capsys.readouterr().err == ""


def test_server_that_starts_is_waited_for_and_said_once(connect, capsys):
    connect(REFUSED, REFUSED, STARTING, "a connection")

    assert connect.asked == 4
    assert capsys.readouterr().err == "Waiting for the database at db.\n"


def test_wrong_password_is_not_waited_for(connect):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(WRONG_PASSWORD, "a connection")

    assert connect.asked == 1


def test_wait_ends(connect, monkeypatch):
    monkeypatch.setattr(waiting, "started", waiting.time.monotonic() - waiting.START_TIMEOUT)

    with pytest.raises(psycopg.OperationalError, match="Connection refused"):
        connect(REFUSED, "a connection")


def test_server_without_a_name_is_waited_for_shortly(connect, monkeypatch):
    connect(NO_NAME, "a connection")
    assert connect.asked == 2

    monkeypatch.setattr(waiting, "started", waiting.time.monotonic() - waiting.NAME_TIMEOUT)
    with pytest.raises(psycopg.OperationalError, match="failed to resolve host"):
        connect(NO_NAME, "a connection")


def test_request_does_not_wait(connect):
    def request():
        with pytest.raises(psycopg.OperationalError):
            connect(REFUSED, "a connection")

    thread = threading.Thread(target=request)
    thread.start()
    thread.join()

    assert connect.asked == 1
