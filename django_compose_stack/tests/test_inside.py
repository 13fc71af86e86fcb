"""The program in the web container, as a terminal of a development container is: commands run right there."""

import os
import subprocess

import pytest

from django_compose_stack.tests import ROOT, STACK


@pytest.fixture
def run(tmp_path):
    """Run the program where `as-owner` is on PATH, and return its status, its errors and what it gave to as-owner."""
    standin, given = tmp_path / "as-owner", tmp_path / "given"
    standin.write_text('#!/bin/sh\necho "$*" >>"$GIVEN"\n')
    standin.chmod(0o755)
    given.touch()
    variables = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "GIVEN": str(given), "MODE": "", "ARGS": ""}

    def run(*words):
        done = subprocess.run(
            [*STACK, *words], cwd=ROOT, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, capture_output=True
        )
        return done.returncode, done.stderr.decode(), given.read_text().splitlines()

    return run


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["migrate"], "python manage.py migrate"),
        (["app", "blog"], "python manage.py startapp blog"),
        (["test", "-k", "notes"], "pytest -k notes"),
        (["run", "ruff", "--version"], "ruff --version"),
    ],
)
def test_command_runs_here(run, words, command):
    assert run(*words) == (0, "", [command])


def test_new_lock_is_installed_here(run):
    assert run("lock") == (0, "", ["python .stack write-locks", "true"])


@pytest.mark.parametrize("command", ["up", "down", "logs", "open", "share"])
def test_what_needs_the_engine_is_left_to_the_host(run, command):
    status, errors, commands = run(command)

    assert (status, commands) == (1, [])
    assert errors == (
        "stack: this is the web container, where no engine and no native mode is. Run this command on the host\n"
    )
