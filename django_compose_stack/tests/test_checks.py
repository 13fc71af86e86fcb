"""System checks of settings and URLs."""

from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.urls import path

from django_compose_stack import checks

urlpatterns = [path("", lambda request: None)]


def found():
    return {message.id: message for message in run_checks() if message.id.startswith("django_compose_stack.")}


def test_project_has_none():
    assert found() == {}


def test_missing_health_check_is_said_with_the_line_to_write(settings):
    settings.MIDDLEWARE = []

    assert found()["django_compose_stack.W001"].hint == f'Write "{checks.MIDDLEWARE}" as the first line of MIDDLEWARE.'


def test_middleware_before_the_health_check_is_named(settings):
    settings.MIDDLEWARE = ["a.Middleware", checks.MIDDLEWARE]

    assert found()["django_compose_stack.W002"].msg.startswith("a.Middleware comes before the health endpoints")


@pytest.mark.parametrize("debug", [True, False])
def test_dashboard_without_an_address_is_said_while_debug_is_on(settings, debug):
    settings.DEBUG = debug
    settings.ROOT_URLCONF = __name__

    assert ("django_compose_stack.W003" in found()) is debug


def test_missing_setting_of_production_is_said_where_production_is(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings.DEBUG = False
    del settings.WEB_THREADS
    assert "django_compose_stack.E001" not in found()

    Path("gunicorn.conf.py").touch()

    assert found()["django_compose_stack.E001"].hint == "Write into the settings: WEB_THREADS = 4"
