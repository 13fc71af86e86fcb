import re
import sys
import threading
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
from django.core.management import CommandError
from django.db import OperationalError, connection
from django.test import Client

from apps.pages.models import Note
from django_compose_stack.dashboard import network, views
from django_compose_stack.dashboard.database import Database
from django_compose_stack.tests.dashboard import urls

pytestmark = pytest.mark.django_db


@pytest.fixture
def migrate():
    with mock.patch.object(views, "call_command") as call:
        yield call


def words(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text))


def test_dashboard_says_that_everything_runs_and_shows_each_part(client):
    response = client.get("/_stack/")

    assert response.status_code == 200
    assert "<title>Everything runs" in response.text
    assert re.findall(r"<h3>(\w+) <small>", response.text) == ["Browser", "runserver", "db"]
    assert "It answers; all migrations are applied." in words(response)
    assert f"{connection.display_name} {connection.get_database_version()[0]}" in response.text


def test_dashboard_makes_no_query_on_the_connection_of_the_request(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/_stack/")


def test_dashboard_loads_nothing_from_elsewhere_and_nothing_inline(client):
    response = client.get("/_stack/")

    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<style| style=| on\w+=", response.text)
    assert [link for link in re.findall(r'(?:src|href|action)="([^"]+)"', response.text) if link[0] not in "/#"] == []


def test_shared_page_shows_its_address_a_qr_code_and_a_reminder(client, settings, monkeypatch):
    monkeypatch.setattr(network, "listening", lambda port: ["0.0.0.0"])
    settings.SHARED_AT = "192.168.1.5"

    response = client.get("/_stack/", SERVER_PORT="8000")

    assert '<a href="http://192.168.1.5:8000/">' in response.text
    assert views.qr_code("http://192.168.1.5:8000/") in response.text
    assert "make up closes it." in words(response)


def test_page_that_is_not_shared_has_no_qr_code(client):
    assert 'class="qr"' not in client.get("/_stack/").text


def test_qr_code_has_no_style_that_the_policy_refuses():
    drawn = views.qr_code("http://192.168.1.5:8000/")

    assert drawn.startswith("<svg ")
    assert "style" not in drawn


def test_dashboard_is_never_kept_by_a_cache(client):
    assert "no-store" in client.get("/_stack/").headers["Cache-Control"]


def test_dashboard_says_why_the_database_is_down_and_what_to_do(client, no_database):
    no_database(OperationalError("connection failed: Connection refused"))

    response = client.get("/_stack/")

    assert response.status_code == 200
    assert "<title>The database does not answer" in response.text
    assert "the server is not running. Fix: make up" in words(response)


@pytest.mark.parametrize("path", ["/_stack/", "/_stack/migrate/"])
def test_there_is_no_dashboard_while_debug_is_off(client, settings, migrate, path):
    settings.DEBUG = False

    response = client.post(path) if "migrate" in path else client.get(path)

    assert response.status_code == 404
    migrate.assert_not_called()


def test_address_of_the_dashboard_is_in_the_footer_of_the_example(client):
    assert 'href="/_stack/"' in client.get("/").text


def test_example_does_not_link_to_a_dashboard_that_is_not_there(client, settings):
    settings.ROOT_URLCONF = ModuleType("production")
    settings.ROOT_URLCONF.urlpatterns = urls.urlpatterns[1:]

    response = client.get("/")

    assert response.status_code == 200
    assert "dashboard" not in response.text


def test_button_applies_the_migrations_and_leads_back(client, unmigrated):
    page = client.get("/_stack/").text
    response = client.post("/_stack/migrate/", {"next": "/?page=2"})

    assert "1 unapplied migration" in page
    assert "pages.0001_initial" in page
    assert (response.status_code, response.headers["Location"]) == (302, "/?page=2")
    assert not Note.objects.exists()
    assert "Everything runs" in client.get("/_stack/").text


@pytest.mark.parametrize("target", ["", "//evil.example/", "https://evil.example/", "evil", "/\\evil.example"])
def test_button_leads_nowhere_else(client, migrate, target):
    response = client.post("/_stack/migrate/", {"next": target})

    migrate.assert_called_once()
    assert response.headers["Location"] == "/_stack/"


def test_second_click_waits_for_the_first(migrate):
    begun, end, running, most = threading.Event(), threading.Event(), [], []

    def work(*args, **options):
        running.append(1)
        most.append(len(running))
        begun.set()
        end.wait(10)
        running.pop()

    migrate.side_effect = work
    healthy = Database("db", "PostgreSQL")
    with mock.patch.object(views, "look", return_value=healthy):
        clicks = [threading.Thread(target=Client().post, args=["/_stack/migrate/"]) for _ in range(2)]
        clicks[0].start()
        assert begun.wait(10)
        clicks[1].start()
        clicks[1].join(0.2)
        end.set()
        for click in clicks:
            click.join(10)

    assert most == [1, 1]


def test_button_needs_post(client, migrate):
    assert client.get("/_stack/migrate/").status_code == 405
    migrate.assert_not_called()


def test_button_needs_the_token_of_the_page(migrate):
    assert Client(enforce_csrf_checks=True).post("/_stack/migrate/").status_code == 403
    migrate.assert_not_called()


def test_button_is_not_for_other_machines(client, migrate):
    waiting = Database("db", "PostgreSQL", pending=("pages.0001_initial",))

    with mock.patch.object(views, "look", return_value=waiting):
        page = client.get("/_stack/", REMOTE_ADDR="192.0.2.7")
    response = client.post("/_stack/migrate/", REMOTE_ADDR="192.0.2.7")

    assert "<button>" not in page.text
    assert "This request came from 192.0.2.7, which is another machine. Therefore there is no button" in words(page)
    assert response.status_code == 403
    assert "which is another machine. Run: make migrate" in response.text
    migrate.assert_not_called()


def test_failed_migration_is_told_with_what_was_printed(client, migrate):
    def fail(*args, stdout, **options):
        stdout.write("Applying pages.0002_more...")
        raise CommandError("Conflicting migrations <detected>")

    migrate.side_effect = fail

    response = client.post("/_stack/migrate/")

    assert response.status_code == 500
    assert "CommandError: Conflicting migrations &lt;detected&gt;" in response.text
    assert "Applying pages.0002_more..." in response.text


def test_nothing_is_migrated_while_the_database_is_down(client, migrate, no_database):
    no_database(OperationalError("connection failed: Connection refused"))

    response = client.post("/_stack/migrate/")

    assert response.status_code == 500
    assert "the server is not running" in response.text
    migrate.assert_not_called()


@pytest.mark.parametrize(
    ("hosts", "host", "status"),
    [
        (["*"], "evil.example", 403),
        (["*"], "localhost:8000", 200),
        (["*"], "127.0.0.1:8000", 200),
        (["*"], "[::1]:8000", 200),
        (["*", "my.example"], "my.example", 200),
        ([], "localhost", 200),
    ],
)
def test_page_is_only_for_host_names_that_somebody_named(client, settings, hosts, host, status):
    """With "*" any site could point its own name at this machine and read the page."""
    settings.ALLOWED_HOSTS = hosts

    assert client.get("/_stack/", headers={"host": host}).status_code == status


@pytest.mark.parametrize("pages", [True, False])
def test_front_page_leads_to_the_dashboard_until_there_is_another(client, settings, monkeypatch, pages):
    text = Path(settings.BASE_DIR, "config/urls.py").read_text()
    line = '    path("", include("apps.pages.urls")),\n'
    assert line in text
    module = ModuleType("urls_of_a_new_project")
    exec(text if pages else text.replace(line, ""), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings.ROOT_URLCONF = module.__name__

    response = client.get("/")

    assert (response.status_code, response.headers.get("Location")) == ((200, None) if pages else (302, "/_stack/"))
