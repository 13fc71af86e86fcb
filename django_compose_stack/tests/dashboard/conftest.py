from unittest import mock

import pytest
from django.core.management import call_command
from django.db import connections

from django_compose_stack.dashboard import network, requests


@pytest.fixture(autouse=True)
def development(settings, monkeypatch):
    """Settings as they are while DEBUG is on, on a machine without containers, with no request recorded yet."""
    settings.DEBUG = True
    settings.ROOT_URLCONF = "django_compose_stack.tests.dashboard.urls"
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.WEB_HOST, settings.WEB_PORT, settings.SHARED_AT = "", 0, ""
    monkeypatch.setattr(network, "IN_CONTAINER", False)
    requests.entries.clear()


@pytest.fixture
def unmigrated(transactional_db):
    """A database without the table of the pages."""
    call_command("migrate", "pages", "zero", verbosity=0)
    yield
    call_command("migrate", verbosity=0)


@pytest.fixture
def no_database():
    """Return a function that makes each new connection fail with an error, or hang where that is a function."""
    patches, kind = [], type(connections["default"])

    def fail(error):
        patches.append(mock.patch.object(kind, "get_new_connection", side_effect=error))
        patches[-1].start()

    yield fail
    for patch in patches:
        patch.stop()
