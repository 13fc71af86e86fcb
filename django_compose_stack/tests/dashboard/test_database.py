import threading
import time
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from django_compose_stack import databases, health
from django_compose_stack.dashboard import database


def configure(monkeypatch, **config):
    # Connections keep the settings that they began with.
    monkeypatch.setattr("django.conf.settings.DATABASES", {"default": config})


@pytest.mark.django_db
def test_database_that_answers_shows_version_size_and_no_unapplied_migration():
    found = database.look()

    assert (found.problem, found.pending) == ("", ())
    assert found.label.startswith(f"{connection.display_name} {connection.get_database_version()[0]}.")
    assert found.facts


@pytest.mark.django_db(transaction=True)
def test_unapplied_migrations_are_named():
    MigrationRecorder(connection).record_unapplied("pages", "0001_initial")
    try:
        found = database.look()
    finally:
        MigrationRecorder(connection).record_applied("pages", "0001_initial")

    assert found.pending == ("pages.0001_initial",)


@pytest.mark.django_db
def test_migrations_that_cannot_be_read_are_no_fault_of_the_database(monkeypatch):
    def broken(connection):
        raise ImportError("No module named 'apps.pages.migrations.0002_nothing'")

    monkeypatch.setattr(health, "MigrationExecutor", broken)

    found = database.look()

    assert found.problem == "The migrations cannot be read"
    assert found.reason == "ImportError: No module named 'apps.pages.migrations.0002_nothing'"


@pytest.mark.django_db
def test_missing_driver_is_reported(no_database):
    no_database(ImproperlyConfigured("Error loading psycopg2 or psycopg module"))

    assert database.look().reason == "Error loading psycopg2 or psycopg module"


@pytest.mark.django_db
def test_database_that_hangs_is_left_after_a_while(monkeypatch, no_database):
    monkeypatch.setattr(database, "TIMEOUT", 0.1)
    end = threading.Event()

    def hang(*args):
        end.wait(30)
        raise OperationalError("nobody waits for this any more")

    no_database(hang)

    start = time.monotonic()
    found = database.look()
    end.set()

    assert time.monotonic() - start < 10
    assert found.reason.endswith("did not answer within 0.1 s: the server hangs, or the network does.")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "failed to resolve host 'db': [Errno -2] Name or service not known",
            "There is no host db: its container is not running.",
        ),
        (
            'connection to server at "db" (172.18.0.2), port 5432 failed: Connection refused\n\tIs the server running?',
            "Nothing listens at db:5432: the server is not running.",
        ),
        (
            'FATAL:  password authentication failed for user "app"',
            "The server refused the password: its volume was created with another one.",
        ),
        ('FATAL:  database "app" does not exist', "The server runs, but has no database app."),
        ("FATAL:  the database system is starting up", "The server is starting or stopping. Try again in a moment."),
        ("FATAL:  sorry, too many clients already", "All connections are in use."),
        ("something new\nmore of it", "something new"),
    ],
)
def test_error_is_explained(no_database, monkeypatch, message, reason):
    configure(monkeypatch, HOST="db", PORT=5432, NAME="app")
    no_database(OperationalError(message))

    found = database.look()

    assert found.problem == database.DOWN
    assert found.reason == reason


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "(2003, \"Can't connect to MySQL server on 'db' ([Errno -2] Name or service not known)\")",
            "There is no host db: its container is not running.",
        ),
        (
            "(2003, \"Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)\")",
            "Nothing listens at db:3306: the server is not running.",
        ),
        (
            "(1045, \"Access denied for user 'app'@'172.18.0.3' (using password: YES)\")",
            "The server refused the password: its volume was created with another one.",
        ),
        (
            "(1044, \"Access denied for user 'app'@'%' to database 'shop'\")",
            "The server runs, but has no database shop that this user may use.",
        ),
        ("(2013, 'Lost connection to MySQL server')", "The server is starting or stopping. Try again in a moment."),
        ("(1040, 'Too many connections')", "All connections are in use."),
    ],
)
def test_error_of_mysql_is_explained(no_database, monkeypatch, message, reason):
    monkeypatch.setattr(database, "kind", lambda: databases.KINDS["mysql"])
    configure(monkeypatch, HOST="db", PORT="", NAME="shop")
    no_database(OperationalError(message))

    found = database.look()

    assert (found.label, found.where) == ("MariaDB or MySQL", "db:3306")
    assert found.reason == reason


def test_volume_is_the_one_of_compose_where_the_database_is(monkeypatch):
    cursor = mock.Mock(**{"fetchone.return_value": (1, 2, "100")})
    configure(monkeypatch, HOST="db", NAME="app")
    assert dict(database.facts(cursor))["volume"] == "db-data"

    configure(monkeypatch, HOST="127.0.0.1", NAME="app")
    assert "volume" not in dict(database.facts(cursor))
