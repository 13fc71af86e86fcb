import logging
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder


def test_healthz_answers_any_host_without_database_or_https(client, settings):
    settings.ALLOWED_HOSTS = []
    settings.SECURE_SSL_REDIRECT = True

    response = client.get("/healthz", headers={"host": "10.0.0.7:8000"})

    assert response.status_code == 200
    assert response.json() == {"process": "ok"}


@pytest.mark.django_db
def test_readyz_is_ok_when_everything_is(client):
    response = client.get("/readyz", headers={"host": "10.0.0.7:8000"})

    assert response.status_code == 200
    assert response.json() == {"database": "ok", "migrations": "ok"}


@pytest.mark.django_db
def test_readyz_names_the_first_migration_that_is_not_applied(client):
    MigrationRecorder(connection).record_unapplied("pages", "0001_initial")

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {
        "database": "ok",
        "migrations": "1 unapplied, pages.0001_initial first. Run: python manage.py migrate",
    }


@pytest.mark.django_db
def test_readyz_says_why_the_database_does_not_answer(client):
    refused = OperationalError("connection refused\nIs the server running?")

    with mock.patch.object(connection, "cursor", side_effect=refused):
        response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {"database": "connection refused"}


@pytest.mark.django_db
def test_other_paths_are_the_projects(client):
    assert client.get("/healthz/more").status_code == 404


@pytest.mark.parametrize(
    ("request_line", "status", "printed"),
    [
        ("GET /healthz HTTP/1.1", 200, False),
        ("GET /readyz HTTP/1.1", 200, False),
        ("GET /readyz HTTP/1.1", 503, True),
        ("GET /healthz/more HTTP/1.1", 200, True),
        ("GET / HTTP/1.1", 200, True),
    ],
)
def test_runserver_does_not_print_probes_that_went_well(caplog, request_line, status, printed):
    logger = logging.getLogger("django.server")
    logger.addHandler(caplog.handler)

    logger.info('"%s" %s %s', request_line, str(status), "17")

    logger.removeHandler(caplog.handler)
    assert bool(caplog.records) is printed
