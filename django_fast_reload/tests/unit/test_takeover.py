"""How a command line becomes the plan of the server."""

import os
import sys

import pytest

from ... import takeover


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("127.0.0.1", 8000, False)),
        (["9000"], ("127.0.0.1", 9000, False)),
        (["0.0.0.0:9000", "--nothreading"], ("0.0.0.0", 9000, False)),
        (["-6"], ("::1", 8000, True)),
        (["[::]:9000"], ("::", 9000, True)),
        (["--settings", "config.settings", "9000"], ("127.0.0.1", 9000, False)),
        (["--settings=config.settings"], ("127.0.0.1", 8000, False)),
        (["--noreload"], None),
        (["--help"], None),
        (["a:b:c"], None),
        (["9000", "9001"], None),
    ],
)
def test_only_ordinary_command_lines_are_taken_over(arguments, expected, monkeypatch):
    monkeypatch.setattr(takeover, "is_taken", lambda host, port: False)  # Something else may hold 8000 here.

    assert takeover.parse(arguments) == expected


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Return a function that gives the plan of a process that was started with these words."""
    monkeypatch.chdir(tmp_path)

    def plan(*words):
        arguments = ["runserver", "9000"]
        monkeypatch.setattr(sys, "orig_argv", [sys.executable, *words, *arguments])
        monkeypatch.setattr(sys, "argv", ["whatever", *arguments])
        return takeover.make_plan("127.0.0.1", 9000, False)

    return plan


@pytest.mark.parametrize("name", ["manage.py", "backend/manage.py", "run.py", "./manage", "tools/dev"])
def test_the_root_is_the_folder_of_the_script_whatever_its_name(started, tmp_path, name):
    plan = started("-X", "utf8", name)

    assert plan["root"] == os.path.normpath(tmp_path / os.path.dirname(name))
    assert (plan["flags"], plan["argv"]) == (["-X", "utf8"], [name, "runserver", "9000"])


@pytest.mark.parametrize("words", [("-m", "django"), ("-mdjango",), (f"{sys.prefix}/bin/django-admin",)])
def test_an_installed_program_has_the_current_folder_as_root(started, tmp_path, words):
    plan = started(*words)

    assert plan["root"] == str(tmp_path)
    assert plan["as_module"] == words[0].startswith("-m")


def test_an_unclear_start_has_no_plan(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python"])

    assert takeover.make_plan("127.0.0.1", 9000, False) is None


@pytest.mark.parametrize(
    ("platform", "text"), [("linux", ""), ("darwin", "Fast reload needs Linux, and this is darwin.")]
)
def test_other_systems_are_told_why(monkeypatch, platform, text):
    monkeypatch.setattr(sys, "platform", platform)

    assert takeover.obstacle() == text


def test_stock_is_stock(monkeypatch):
    monkeypatch.delenv("RUN_MAIN", raising=False)
    monkeypatch.setenv("DEVSERVER", "stock")
    assert not takeover.is_wanted()

    monkeypatch.setenv("DEVSERVER", "")
    assert takeover.is_wanted()
