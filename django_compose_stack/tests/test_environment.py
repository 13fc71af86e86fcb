"""What settings.py makes of the environment, and what it refuses."""

import io
import os
import random
import runpy
import subprocess
import sys

import environ
import pytest
from environ.fileaware_mapping import FileAwareMapping

from django_compose_stack.env import Env, InvalidVariable
from django_compose_stack.host import dotenv
from django_compose_stack.tests import ROOT

PRODUCTION = {"SECRET_KEY": "k" * 50, "ALLOWED_HOSTS": "example.com"}


@pytest.fixture
def settings_of(monkeypatch):
    """Return a function from an environment to the settings it gives, as a dict."""

    def read(**variables):
        monkeypatch.setattr(Env, "ENVIRON", FileAwareMapping(env=variables, cache=False))
        monkeypatch.setattr(Env, "read_file", staticmethod(lambda path: None))
        return runpy.run_path(str(ROOT / "config/settings.py"))

    return read


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DEBUG": "enabled"}, "DEBUG has value 'enabled'. Expected true or false"),
        ({"DEBUG": "true # for now"}, "DEBUG has value 'true # for now'. Expected true or false"),
        ({"DEBUG": "true", "HTTPS": "0ff"}, "HTTPS has value '0ff'. Expected true or false"),
        ({}, "SECRET_KEY is not set. It is required while DEBUG is off. Make one with: python -c"),
        ({"DEBUG": "", "SECRET_KEY": ""}, "SECRET_KEY is not set."),
        ({"SECRET_KEY": "k" * 50}, "ALLOWED_HOSTS is not set. While DEBUG is off"),
        ({**PRODUCTION, "ALLOWED_HOSTS": " , "}, "ALLOWED_HOSTS is not set."),
        (
            {**PRODUCTION, "ALLOWED_HOSTS": "a.com b.com"},
            "ALLOWED_HOSTS has the item 'a.com b.com'. Expected host",
        ),
        ({**PRODUCTION, "ALLOWED_HOSTS": "https://a.com"}, "ALLOWED_HOSTS has the item 'https://a.com'."),
        ({**PRODUCTION, "ALLOWED_HOSTS": "a.com:8000"}, "ALLOWED_HOSTS has the item 'a.com:8000'."),
        (
            {**PRODUCTION, "CSRF_TRUSTED_ORIGINS": "a.com"},
            "CSRF_TRUSTED_ORIGINS has the item 'a.com'. Expected origins with their scheme",
        ),
        (
            {**PRODUCTION, "SECURE_HSTS_SECONDS": "1 year"},
            "SECURE_HSTS_SECONDS has value '1 year'. Expected a whole number from 0 to",
        ),
        (
            {"DEBUG": "1", "POSTGRES_HOST": "db", "POSTGRES_PORT": "54320000"},
            "POSTGRES_PORT has value '54320000'. Expected a whole number from 1 to 65535",
        ),
        (
            {"DEBUG": "1", "SECRET_KEY_FILE": "/nowhere/key"},
            "SECRET_KEY_FILE has value '/nowhere/key': No such file or directory. Expected a readable file",
        ),
    ],
)
def test_wrong_value_is_refused_with_name_value_and_fix(settings_of, variables, message):
    with pytest.raises(InvalidVariable) as caught:
        settings_of(**variables)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://app:pa/ss@db:5432/app",
        "postgres://app:pa?ss@db:5432/app",
        "postgres://app:pa#ss@db:5432/app",
        "postgres://app:pa%ss@db:5432/app",
        "postgres://app:secret@db:port/app",
        "postgres://app:secret@/app",
        "postgres://app:secret@db:5432/",
        "postgres:app",
        "pstgres://app:secret@db:5432/app",
    ],
)
def test_malformed_database_url_is_refused_without_showing_the_password(settings_of, url):
    with pytest.raises(InvalidVariable) as caught:
        settings_of(DEBUG="1", DATABASE_URL=url)

    message = str(caught.value)
    assert message.startswith("DATABASE_URL has value '")
    assert "Expected postgres://USER:PASSWORD@HOST:PORT/NAME" in message
    assert "secret" not in message
    assert "ss@" not in message


def test_escaped_characters_of_a_database_url_reach_the_database(settings_of):
    database = settings_of(DEBUG="1", DATABASE_URL="postgres://us%40er:p%2F%3F%23%25%40%3A@db:5433/na-me")["DATABASES"]

    assert {key: database["default"][key] for key in ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "NAME")} == {
        "ENGINE": "django.db.backends.postgresql",
        "USER": "us@er",
        "PASSWORD": "p/?#%@:",
        "HOST": "db",
        "PORT": 5433,
        "NAME": "na-me",
    }


@pytest.mark.parametrize("password", ["@:/?#%$'\" ", "$HOME", "$$", "#", "' or 1=1", "pass word", "ünïcode"])
def test_password_may_have_any_character(settings_of, password):
    settings = settings_of(DEBUG="1", POSTGRES_HOST="db", POSTGRES_PASSWORD=password)

    assert settings["DATABASES"]["default"]["PASSWORD"] == password


@pytest.mark.parametrize(
    ("variables", "engine"),
    [
        ({}, "django.db.backends.sqlite3"),
        ({"POSTGRES_HOST": ""}, "django.db.backends.sqlite3"),
        ({"POSTGRES_HOST": "db"}, "django_compose_stack.postgresql"),
        ({"POSTGRES_HOST": "db", "DEBUG": "0", **PRODUCTION}, "django.db.backends.postgresql"),
        ({"POSTGRES_HOST": "db", "DATABASE_URL": "sqlite:////tmp/x.sqlite3"}, "django.db.backends.sqlite3"),
    ],
)
def test_database_is_the_url_else_postgres_else_a_file(settings_of, variables, engine):
    assert settings_of(**{"DEBUG": "1", **variables})["DATABASES"]["default"]["ENGINE"] == engine


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", "on", " true "])
def test_words_for_true(settings_of, word):
    assert settings_of(DEBUG=word)["DEBUG"] is True


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "off", ""])
def test_words_for_false(settings_of, word):
    assert settings_of(DEBUG=word, **PRODUCTION)["DEBUG"] is False


def test_lists_are_stripped(settings_of):
    settings = settings_of(
        SECRET_KEY="k" * 50, ALLOWED_HOSTS=" a.com, .b.com ,[::1],", CSRF_TRUSTED_ORIGINS="https://a:8443"
    )

    assert settings["ALLOWED_HOSTS"] == ["a.com", ".b.com", "[::1]"]
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://a:8443"]


@pytest.mark.parametrize("url", ["smtp://", "smtp://user:secret@", "mailto:me", "smtp://user:se/cret@host:25"])
def test_malformed_email_url_is_refused_without_showing_the_password(settings_of, url):
    with pytest.raises(InvalidVariable) as caught:
        settings_of(DEBUG="1", EMAIL_URL=url)

    assert str(caught.value).startswith("EMAIL_URL has value '")
    assert "cret@" not in str(caught.value)


def test_email_url_names_a_mail_server(settings_of):
    mailer = settings_of(DEBUG="1", EMAIL_URL="smtp+tls://me:p%40ss@mail.example.com:587")["MAILERS"]["default"]

    assert mailer["BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert mailer["OPTIONS"] == {
        "host": "mail.example.com",
        "port": 587,
        "username": "me",
        "password": "p@ss",
        "use_tls": True,
        "use_ssl": False,
        "timeout": 10,
    }


def test_value_may_come_from_a_file(settings_of, tmp_path):
    (tmp_path / "key").write_text("from-a-file\n")

    assert settings_of(DEBUG="1", SECRET_KEY_FILE=str(tmp_path / "key"))["SECRET_KEY"] == "from-a-file"


# One line of .env each: what Compose makes of it, and what Django does. None: that reader sees no such name.
LINES = [
    ("S=abc", "abc", "abc"),
    ("S='abc$def#ghi'", "abc$def#ghi", "abc$def#ghi"),
    ("S='a \"b\" c'", 'a "b" c', 'a "b" c'),
    ("S='\"a\"'", '"a"', "a"),
    ('S="it\'s"', "it's", "it's"),
    ("export S=abc", "abc", "abc"),
    ("S=", "", ""),
    ("S=a#b", "a#b", "a#b"),
    ("S=abc$def#ghi", "abc#ghi", "abc$def#ghi"),
    ("S=abc$$def", "abc$def", "abc$$def"),
    ("S=abc # note", "abc", "abc # note"),
    ("S= # note", "# note", " # note"),
    ("S='abc' # note", "abc", "'abc' # note"),
    ("S=a  ", "a", "a  "),
    ("S = a", "a", None),
    ("S: a", "a", None),
    ("S='it\\'s'", "it's", "it\\'s"),
    ('S="a\\nb"', "a\nb", "a\\nb"),
    ("S=${MISSING:-x}", "x", "${MISSING:-x}"),
    ("S=${MISSING+x}", "", "${MISSING+x}"),
    ("S='abc", "nothing: the closing quote is missing", "'abc"),
    ("S=a${b", "nothing: its ${ is not of the form ${NAME}", "a${b"),
    ("S=${}", "nothing: its ${ is not of the form ${NAME}", "${}"),
    ("S='a'b", "nothing: it takes the text after the closing quote for another line", "'a'b"),
    ("S=${b:?no}", "nothing: it requires b, which is not set", "${b:?no}"),
]


@pytest.mark.parametrize(("line", "compose", "django"), LINES)
def test_both_readings_of_a_line(line, compose, django):
    (reading,) = dotenv.read(line, environment={})

    assert reading == (1, "S", compose, django)


def read_by_django_environ(line):
    class Reader(environ.Env):
        ENVIRON = {}

    Reader.read_env(io.StringIO(line))
    return Reader.ENVIRON


def test_djangos_reading_is_that_of_django_environ():
    chance = random.Random(1)
    pieces = [*"aS=$#'\"\\ \t:{}", "S=", "S='", 'S="', "export ", "\\n", "\\'", "\ufeff", "ü"]
    made = ["".join(chance.choices(pieces, k=chance.randint(1, 9))) for _ in range(20_000)]
    lines = [line for line, _, _ in LINES] + made

    assert [line for line in lines if dotenv.django_values(line) != read_by_django_environ(line)] == []


@pytest.mark.parametrize(("line", "compose", "django"), LINES)
def test_file_is_refused_exactly_where_the_readings_differ(tmp_path, line, compose, django):
    (tmp_path / ".env").write_text(f"# A comment\n\n{line}\n")

    if compose == django:
        Env.read_file(tmp_path / ".env")
    else:
        with pytest.raises(
            InvalidVariable,
            match=r"has ambiguous lines: Compose and Django read different values\n  line 3, S: Compose reads",
        ):
            Env.read_file(tmp_path / ".env")


def test_crlf_file_reads_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setattr(Env, "ENVIRON", {})
    (tmp_path / ".env").write_bytes(b"A=1\r\nB='2'\r\n")

    Env.read_file(tmp_path / ".env")

    assert Env.ENVIRON == {"A": "1", "B": "2"}


def test_name_set_twice_is_refused():
    assert dotenv.differences("DEBUG=true\nX=1\nDEBUG=false\n", {}) == {
        3: "line 3, DEBUG: already set on line 1; delete one of the two"
    }


def test_line_that_is_no_assignment_is_refused():
    assert dotenv.differences("DEBUG\n", {}) == {1: "line 1, DEBUG: not of the form NAME=value"}


def test_secret_is_not_shown():
    assert dotenv.differences("API_TOKEN=abc # note\n", {}) == {
        1: "line 1, API_TOKEN: Compose reads a secret of 3 characters, Django reads a secret of 10 characters"
    }


def test_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / ".env").write_bytes(b"A=\xff\n")

    with pytest.raises(InvalidVariable, match="Expected a text file in UTF-8"):
        Env.read_file(tmp_path / ".env")


def manage(*arguments, **variables):
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", ["runserver 127.0.0.1:0", "migrate", "check"])
def test_manage_py_says_it_in_one_line_and_does_not_start(command):
    done = manage(*command.split(), DEBUG="maybe")

    assert done.returncode == 1
    assert done.stderr == "DEBUG has value 'maybe'. Expected true or false (or yes/no, on/off, 1/0).\n"


def test_production_settings_leave_check_deploy_nothing_to_say():
    done = manage(
        "check", "--deploy", "--fail-level=INFO", DEBUG="false", **{**PRODUCTION, "SECRET_KEY": "abcdeF3_" * 8}
    )

    # The two are decided: names below this one are their owner's to speak for.
    assert done.stderr + done.stdout == "System check identified no issues (2 silenced).\n"


@pytest.mark.parametrize(
    ("variables", "seconds", "subdomains"),
    [
        ({}, 31_536_000, False),
        ({"HTTPS_PORT": "443"}, 31_536_000, False),
        ({"HTTPS_PORT": "8443"}, 300, False),
        ({"HTTPS_PORT": "8443", "SECURE_HSTS_SECONDS": "3600"}, 3600, False),
        ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": "true"}, 31_536_000, True),
    ],
)
def test_browsers_are_bound_to_https_for_this_name_and_not_for_long_on_an_odd_port(
    settings_of, variables, seconds, subdomains
):
    settings = settings_of(**PRODUCTION, **variables)

    names = ("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")
    assert [settings[name] for name in names] == [seconds, subdomains, subdomains]
