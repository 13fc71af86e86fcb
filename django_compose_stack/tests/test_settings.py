"""What the stack adds to the settings of a project that was there before it."""

import pytest
from django.http import HttpResponse
from django.urls import path

from django_compose_stack import settings as stack

urlpatterns = [path("", lambda request: HttpResponse("theirs"))]
COMPOSE = {
    "POSTGRES_HOST": "db",
    "POSTGRES_PORT": "5432",
    "POSTGRES_DB": "app",
    "POSTGRES_USER": "app",
    "POSTGRES_PASSWORD": "secret",
}
SERVER = {"HOST": "db", "PORT": "5432", "USER": "app", "PASSWORD": "secret"}


@pytest.fixture
def existing(settings):
    """Settings as `init` makes them for a project whose urls know nothing of the stack."""
    settings.ROOT_URLCONF = __name__
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["shop.example.com", *stack.HOSTS]
    settings.MIDDLEWARE = [*stack.MIDDLEWARE, "django.middleware.common.CommonMiddleware"]


@pytest.fixture
def compose(monkeypatch):
    for name, value in COMPOSE.items():
        monkeypatch.setenv(name, value)


def test_the_projects_pages_stay(existing, client):
    assert client.get("/", headers={"host": "127.0.0.1"}).content == b"theirs"


@pytest.mark.django_db
def test_the_dashboard_is_there_without_a_line_in_urls(existing, client):
    response = client.get("/_stack/", headers={"host": "127.0.0.1"})

    assert response.status_code == 200
    assert b"From the browser to the data" in response.content


def test_the_dashboard_is_not_for_other_hosts(existing, client, settings):
    settings.ALLOWED_HOSTS = ["*"]

    assert client.get("/_stack/", headers={"host": "evil.example.com"}).status_code == 403


def test_the_dashboard_is_not_there_without_debug(existing, client, settings):
    settings.DEBUG = False

    assert client.get("/_stack/", headers={"host": "127.0.0.1"}).status_code == 404


def test_migrating_through_the_dashboard_needs_a_token(existing, settings):
    from django.test import Client

    response = Client(enforce_csrf_checks=True).post("/_stack/migrate/", headers={"host": "127.0.0.1"})

    assert response.status_code == 403


def test_databases_stay_outside_of_compose(monkeypatch):
    monkeypatch.delenv("POSTGRES_HOST", raising=False)
    found = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}

    assert stack.databases(found) is found


def test_another_database_becomes_that_of_compose(compose):
    found = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "OPTIONS": {"timeout": 1}}}

    assert stack.databases(found) == {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "app", **SERVER}}


def test_postgres_keeps_its_engine_and_its_options(compose):
    engine = "django.contrib.gis.db.backends.postgis"
    options = {"sslmode": "require", "application_name": "shop"}
    found = {"default": {"ENGINE": engine, "HOST": "far.example.com", "NAME": "shop", "OPTIONS": options}}

    assert stack.databases(found) == {
        "default": {"ENGINE": engine, "NAME": "app", **SERVER, "OPTIONS": {"application_name": "shop"}}
    }


def test_other_databases_keep_their_names(compose):
    postgres, mysql = "django.db.backends.postgresql", "django.db.backends.mysql"
    found = {
        "default": {"ENGINE": postgres, "NAME": "shop"},
        "tickets": {"ENGINE": postgres, "NAME": "tickets", "HOST": "far.example.com"},
        "old": {"ENGINE": mysql, "NAME": "old", "HOST": "far.example.com"},
    }

    assert stack.databases(found) == {
        "default": {"ENGINE": postgres, "NAME": "app", **SERVER, "OPTIONS": {}},
        "tickets": {"ENGINE": postgres, "NAME": "tickets", **SERVER, "OPTIONS": {}},
        "old": {"ENGINE": mysql, "NAME": "old", "HOST": "far.example.com"},
    }
