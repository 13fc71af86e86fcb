"""The commands of every day on production, with no engine behind them."""

import subprocess

import pytest

from django_compose_stack import development
from django_compose_stack.production import engine


@pytest.fixture
def commands(monkeypatch):
    """What was run in containers, as text."""
    found = []

    def run(command, **options):
        found.append(" ".join(command))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setenv("MODE", "production")
    monkeypatch.setattr(engine, "environment", dict)
    monkeypatch.setattr(engine, "container", lambda service: f"the-{service}")
    monkeypatch.setattr(subprocess, "run", run)
    return found


def test_check_runs_both_of_its_commands(commands):
    development.check()

    assert [command.partition("the-web ")[2] for command in commands] == [
        "python manage.py check",
        "python manage.py makemigrations --check --dry-run",
    ]
