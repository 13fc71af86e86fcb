"""What the programs on the host share."""

import sys

import pytest

from django_compose_stack import development
from django_compose_stack.host.dotenv import is_secret, without_passwords
from django_compose_stack.host.mode import mode
from django_compose_stack.host.process import TIMED_OUT, ask, output, parse_config


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://app:secret@db:5432/app", "postgres://app:***@db:5432/app"),
        ("postgres://app:s/e:c@ret@db/app", "postgres://app:***@db/app"),
        ("'http://me:a@proxy', 'http://me:b@proxy'", "'http://me:***@proxy', 'http://me:***@proxy'"),
        ("postgres:app:secret@db", "postgres:***@db"),
        ("http://db:5432/app", "http://db:5432/app"),
    ],
)
def test_password_of_a_url_is_masked(text, masked):
    assert without_passwords(text) == masked


def test_secret_is_known_by_its_name():
    names = ["SECRET_KEY", "POSTGRES_PASSWORD", "DATABASE_URL", "API_TOKEN", "WEB_PORT", "DEBUG"]

    assert [name for name in names if is_secret(name)] == names[:4]


def test_dollar_signs_that_compose_doubles_are_single_again():
    assert parse_config('{"name": "a$$b"}') == {"name": "a$b"}


@pytest.mark.parametrize(
    ("environment", "has_engine", "expected"),
    [
        ({}, True, "docker"),
        ({}, False, "native"),
        ({"MODE": ""}, True, "docker"),
        ({"MODE": "native"}, True, "native"),
        ({"MODE": "docker"}, False, "docker"),
        ({"MODE": "production"}, False, "production"),
    ],
)
def test_mode_is_what_mode_says_else_whether_an_engine_answers(environment, has_engine, expected):
    assert mode(environment, lambda: has_engine) == expected


def test_unknown_mode_is_refused(capsys):
    with pytest.raises(SystemExit):
        mode({"MODE": "podman"})

    assert capsys.readouterr().err == "stack: MODE has value 'podman'. Expected docker, native or production\n"


def test_program_that_cannot_start_or_takes_too_long_has_failed():
    assert ask("no-such-program").returncode == 1
    assert ask(sys.executable, "-c", "import time; time.sleep(60)", timeout=0.1).returncode == TIMED_OUT
    assert output("no-such-program") == ""
    assert output(sys.executable, "-c", "raise SystemExit('no')") == ""
    assert output(sys.executable, "-c", "print(' yes ')") == "yes"


def test_watch_ends_where_its_postgres_does_not_start(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(development, "is_inside", lambda: False)
    monkeypatch.setattr(development, "mode", lambda: "docker")
    monkeypatch.setattr(development, "output", lambda *words: "")
    monkeypatch.setattr(development, "exit_at_signals", lambda: None)
    for name in ("show", "run"):
        monkeypatch.setattr(development, name, lambda *words, **_: asked.append(words[:2]))

    with pytest.raises(SystemExit):
        development.watch()

    assert "the Postgres of the tests does not start. See why: docker compose run" in capsys.readouterr().err
    assert asked == [("docker", "compose"), ("docker", "rm")]
