"""The dashboard behind a port that Docker publishes, where every request comes from the gateway."""

import json
import sys

import pytest

from django_compose_stack.tests.stack.checkout import run

# Presses the button as somebody would who knows how: with a token of the site's, and as if for localhost.
PRESS = """
import http.client, json, re, sys
def ask(method, path, body=None, **headers):
    client = http.client.HTTPConnection(sys.argv[1], timeout=30)
    client.request(method, path, body, {"Host": "localhost", **headers})
    return client.getresponse()
token = re.search("csrftoken=([^;]+)", ask("GET", "/admin/login/").headers["Set-Cookie"])[1]
kind = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={token}"}
answer = ask("POST", "/_stack/migrate/", f"csrfmiddlewaretoken={token}&next=/healthz", **kind)
print(json.dumps([answer.status, answer.headers["Location"] or answer.read().decode()]))
"""


def press(checkout) -> tuple[int, str]:
    """Return the status, and where it leads or the text."""
    return tuple(json.loads(run(sys.executable, "-c", PRESS, f"127.0.0.1:{checkout.port}").stdout))


def press_in_container(checkout) -> tuple[int, str]:
    command = ["run", "--rm", "-T", "--no-deps", "web", "python", "-c", PRESS, "web:8000"]
    return tuple(json.loads(checkout.compose(*command).stdout.splitlines()[-1]))


@pytest.fixture
def unmigrated(stack):
    stack.manage("migrate", "pages", "zero")
    yield stack
    stack.manage("migrate")


def is_migrated(checkout) -> bool:
    return "[X] 0001_initial" in checkout.manage("showmigrations", "pages")


def test_dashboard_knows_where_the_port_is_published(stack):
    page = stack.page("/_stack/")

    assert "Everything runs" in page
    assert f"<code>http://127.0.0.1:{stack.port}</code>" in page
    assert "Open to this machine only." in page
    assert "0.0.0.0:8000, every interface" in page
    assert "8000: a label that opens no port" in page
    assert "db-data" in page


def test_button_works_through_the_published_port(unmigrated):
    assert press(unmigrated) == (302, "/healthz")
    assert is_migrated(unmigrated)


def test_other_container_cannot_press_the_button(unmigrated):
    status, text = press_in_container(unmigrated)

    assert status == 403
    assert "which is another machine or container. Run: make migrate" in text
    assert not is_migrated(unmigrated)


def test_nobody_can_press_the_button_while_the_port_is_open_to_the_network(unmigrated):
    unmigrated.up(WEB_HOST="0.0.0.0")
    try:
        page = unmigrated.page("/_stack/")
        status, text = press(unmigrated)
    finally:
        unmigrated.up()

    assert "Open to the whole network; a firewall such as ufw does not protect it." in page
    assert "<button>" not in page
    assert status == 403
    assert "The port is published on 0.0.0.0, where other machines can reach it. Run: make migrate" in text
    assert not is_migrated(unmigrated)


def test_dashboard_tells_that_the_database_container_is_stopped(stack):
    stack.compose("stop", "db")
    try:
        page = stack.page("/_stack/")
    finally:
        stack.up()

    assert "There is no host db: its container is not running." in page
