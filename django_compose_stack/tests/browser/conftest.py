"""What the browser tests share. They skip where there is no Chromium or no Postgres, and fail there with CI set."""

import os
from collections.abc import Iterator

import pytest

from django_compose_stack.tests.browser import chromium
from django_compose_stack.tests.browser.server import Site, serving, settings


def missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, and there is no {what}", pytrace=False)
    pytest.skip(f"there is no {what}")


# Of a module, because Playwright runs once in a process, and other modules have one of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Browser]:
    if not chromium.find():
        missing(f"Chromium: none of {', '.join(chromium.NAMES)} is on PATH")
    with chromium.started() as browser:
        yield browser


@pytest.fixture(scope="session")
def postgres() -> None:
    if not settings.DATABASES["default"]["HOST"]:
        missing("Postgres: run this through make test-stack")


@pytest.fixture
def fresh(postgres) -> Iterator[Site]:
    """A server of the test's own."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def healthy(postgres) -> Iterator[Site]:
    """A server that the tests of a module share, and leave as it is."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def pending(postgres) -> Iterator[Site]:
    """A server whose database lacks a migration."""
    with serving() as server:
        server.manage("migrate", "pages", "zero")
        yield server


@pytest.fixture(scope="module")
def shared(postgres) -> Iterator[Site]:
    """A server that is open to the local network, as after `make share`."""
    with serving("0.0.0.0", SHARED_AT="192.168.1.5") as server:
        yield server


@pytest.fixture(scope="module")
def down(postgres) -> Iterator[Site]:
    """A server whose database has gone. It had one at its start, because runserver waits for one then."""
    with serving() as server:
        server.drop_database()
        yield server
