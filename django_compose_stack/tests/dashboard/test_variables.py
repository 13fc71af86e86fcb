import pytest

from django_compose_stack.dashboard import network, variables
from django_compose_stack.dashboard.variables import HIDDEN, Variable

COMPOSE = "environment:\n      POSTGRES_DB: ${POSTGRES_DB:-app}\nargs:\n  X: ${PYTHON_VERSION:-3.12}\n"


@pytest.fixture
def checkout(tmp_path, settings, monkeypatch):
    """Return a function from values read, the process environment and the text of .env to the variables shown."""
    settings.BASE_DIR = tmp_path
    (tmp_path / "compose.yaml").write_text(COMPOSE)

    def found(read, environment=None, file=""):
        monkeypatch.setattr(variables.Env, "values_read", read)
        monkeypatch.setattr(variables.os, "environ", environment or {})
        (tmp_path / ".env").write_text(file)
        return variables.variables()

    return found


def test_value_from_nowhere_is_the_default_and_no_secret(checkout):
    assert checkout({"SECRET_KEY": "of-settings.py", "HTTPS": False, "EMAIL_URL": ""}) == [
        Variable("SECRET_KEY", "of-settings.py", "default"),
        Variable("HTTPS", "False", "default"),
        Variable("EMAIL_URL", "", "default"),
    ]


def test_value_from_the_file_names_its_line(checkout):
    assert checkout({"WEB_PORT": "8010"}, file="# mine\nWEB_PORT=8010\n") == [
        Variable("WEB_PORT", "8010", ".env, line 2")
    ]


def test_process_environment_wins_and_the_page_says_so(checkout):
    assert checkout({"WEB_PORT": "9000"}, {"WEB_PORT": "9000"}, "WEB_PORT=8010\n") == [
        Variable(
            "WEB_PORT", "9000", "process environment", "Line 1 of .env has another value. The process environment wins."
        )
    ]


def test_change_that_compose_has_not_taken_over_yet_is_told(checkout, monkeypatch):
    monkeypatch.setattr(network, "IN_CONTAINER", True)

    assert checkout({"POSTGRES_DB": "old"}, {"POSTGRES_DB": "old"}, "POSTGRES_DB=new\n") == [
        Variable("POSTGRES_DB", "old", "compose.yaml", "Line 1 of .env has another value. To apply it: make up")
    ]
    assert checkout({"POSTGRES_DB": "new"}, {"POSTGRES_DB": "new"}, "POSTGRES_DB=new\n") == [
        Variable("POSTGRES_DB", "new", ".env, line 1, through compose.yaml")
    ]


@pytest.mark.parametrize("name", ["SECRET_KEY", "POSTGRES_PASSWORD", "DATABASE_URL", "API_TOKEN"])
def test_secret_is_hidden_wherever_it_comes_from(checkout, name):
    shown = [
        *checkout({name: "precious"}, {name: "precious"}),
        *checkout({name: "precious"}, file=f"{name}=precious\n"),
        *checkout({name: "precious"}, {f"{name}_FILE": "/run/secrets/key"}),
        *checkout({}, file=f"{name}=precious\n"),
    ]

    assert [variable.value for variable in shown] == [HIDDEN] * 4
    assert "precious" not in str(shown)


def test_name_that_nothing_reads_is_told(checkout):
    assert checkout({}, file="ALOWED_HOSTS=a\nPYTHON_VERSION=3.13\n") == [
        Variable("ALOWED_HOSTS", "a", ".env, line 1", "Nothing reads it. Is the name misspelled?"),
        Variable("PYTHON_VERSION", "3.13", ".env, line 2, for Compose"),
    ]


def test_settings_are_shown_without_their_secrets(settings, monkeypatch):
    settings.SECRET_KEY = "precious"
    monkeypatch.setattr("django.conf.settings.DATABASES", {"default": {"NAME": "app", "PASSWORD": "precious"}})
    settings.CACHES = {"default": {"LOCATION": "redis://me:precious@cache:6379"}}

    shown = dict(variables.changed_settings())

    assert "precious" not in str(shown)
    assert "redis://me:***@cache:6379" in shown["CACHES"]
    assert "ROOT_URLCONF" in shown
    assert "DEFAULT_CHARSET" not in shown
