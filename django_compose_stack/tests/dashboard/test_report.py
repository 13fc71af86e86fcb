import re

import pytest
from django.db import connection

from django_compose_stack.dashboard.report import ExceptionReporter


@pytest.fixture
def browser(client):
    client.raise_request_exception = False
    return client


def words(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text))


def test_missing_table_with_an_unapplied_migration_shows_it_and_the_button(browser, unmigrated):
    response = browser.get("/?page=2")

    assert response.status_code == 500
    assert "<h1" in response.text
    assert "1 unapplied migration" in words(response)
    assert "pages.0001_initial" in response.text
    assert '<form method="post" action="/_stack/migrate/">' in response.text
    assert '<input type="hidden" name="next" value="/?page=2">' in response.text
    assert "csrftoken" in response.cookies
    assert "pages_note" in words(response)


def test_missing_column_does_too(browser, unmigrated):
    response = browser.get("/query/SELECT missing FROM accounts_user/")

    assert "1 unapplied migration" in words(response)


def test_form_that_failed_is_not_sent_again(browser, unmigrated):
    response = browser.post("/", {"text": "lost"})

    assert "1 unapplied migration" in words(response)
    assert 'name="next" value=""' in response.text


def test_other_machine_gets_the_command_instead(browser, unmigrated):
    response = browser.get("/", REMOTE_ADDR="192.0.2.7")

    assert "<button>" not in response.text
    assert "Run: make migrate" in words(response)


@pytest.mark.parametrize(
    ("path", "error"), [("/mistake/", "a mistake of the project"), ("/query/SELECT FROM WHERE/", "syntax error")]
)
def test_other_errors_are_djangos_with_an_unapplied_migration(browser, unmigrated, path, error):
    response = browser.get(path)

    assert error in response.text
    assert "unapplied migration" not in response.text
    assert "Traceback" in response.text


@pytest.mark.django_db
def test_missing_table_is_djangos_with_all_migrations_applied(browser):
    response = browser.get("/query/SELECT 1 FROM no_such_table/")

    assert "no_such_table" in response.text
    assert "unapplied migration" not in response.text
    assert "Traceback" in response.text


@pytest.mark.django_db
def test_error_without_a_request_is_djangos():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM no_such_table")
    except Exception as error:
        reporter = ExceptionReporter(None, type(error), error, error.__traceback__)

    assert "no_such_table" in reporter.get_traceback_html()
