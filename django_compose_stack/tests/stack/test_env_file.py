"""What a .env does to the stack, and which ones it refuses."""

import re

import pytest

KEY = "SECRET_KEY=" + "k" * 50
AMBIGUOUS = "has ambiguous lines: Compose and Django read different values"
PRINT_PASSWORD = "from django.conf import settings; print(settings.DATABASES['default']['PASSWORD'])"
# The file, and what is said of it, by Django in the log or by Compose.
REFUSED = [
    ("DEBUG=enabled", "DEBUG has value 'enabled'. Expected true or false"),
    ("DEBUG=false", "SECRET_KEY is not set. It is required while DEBUG is off. Make one with: python -c"),
    ("DEBUG=false\nSECRET_KEY=\nALLOWED_HOSTS=example.com", "SECRET_KEY is not set."),
    (f"DEBUG=false\n{KEY}", "ALLOWED_HOSTS is not set. While DEBUG is off"),
    ("ALLOWED_HOSTS=a.com b.com", "ALLOWED_HOSTS has the item 'a.com b.com'. Expected host names"),
    ("CSRF_TRUSTED_ORIGINS=a.com", "CSRF_TRUSTED_ORIGINS has the item 'a.com'. Expected origins with their scheme"),
    ("SECURE_HSTS_SECONDS=1h\nHTTPS=true", "SECURE_HSTS_SECONDS has value '1h'. Expected a whole number"),
    ("DATABASE_URL=postgres://app:pa/ss@db/app", "DATABASE_URL has value 'postgres://app:***@db/app'. Expected"),
    ("SECRET_KEY=abc$def#ghi", f"{AMBIGUOUS}\n  line 1, SECRET_KEY: Compose reads a secret of 7 characters"),
    ("A=1\nDEBUG=true # for now", f"{AMBIGUOUS}\n  line 2, DEBUG: Compose reads 'true', Django reads 'true # for"),
    ("DEBUG = true", f"{AMBIGUOUS}\n  line 1, DEBUG: Compose reads 'true', Django reads nothing"),
    ("DEBUG=true\nDEBUG=true", f"{AMBIGUOUS}\n  line 2, DEBUG: already set on line 1; delete one of the two"),
    ("DEBUG", f"{AMBIGUOUS}\n  line 1, DEBUG: not of the form NAME=value"),
    ("POSTGRES_PASSWORD='abc", "unterminated quoted value 'abc"),
    ("POSTGRES_PASSWORD=${b:?", '.env: Invalid template: "${b:?"'),
    ("WEB_PORT=80000", "hostPort: 80000"),
    ("WEB_PORT=http", "hostPort: http"),
]


@pytest.fixture(scope="module")
def project(copies):
    """A copy whose image is built, for tests that leave only .env behind."""
    checkout = copies()
    checkout.compose("build", "--quiet")
    yield checkout
    checkout.remove()


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text.replace("\n", " ") for text, _ in REFUSED])
def test_wrong_file_is_refused_and_starts_no_server(project, text, message):
    (project.path / ".env").write_text(f"{text}\n")
    port = None if "WEB_PORT" in text else str(project.port)

    failed = project.compose("up", "--wait", "--no-deps", "web", check=False, WEB_PORT=port)
    said = failed.stderr + project.compose("logs", "--no-log-prefix", "web", check=False, WEB_PORT=port).stdout
    running = project.compose("ps", "--quiet", "--status=running", check=False, WEB_PORT=port).stdout

    assert failed.returncode == 1
    assert message in said.replace("\r", "")
    assert "Traceback" not in said
    assert running == ""
    (project.path / ".env").unlink()
    project.compose("down")


def test_make_up_says_why_the_database_does_not_start(checkout):
    (checkout.path / ".env").write_text('POSTGRES_USER="o\'hara"\n')  # which initdb refuses

    failed = checkout.make("up", check=False)

    assert failed.returncode == 2
    assert re.search(r"Problem: db is (exited with|restarting with|unhealthy).*\. Last log lines:", failed.stderr)
    assert "invalid character in extension owner" in failed.stderr


def test_odd_but_clear_file_is_read(checkout):
    (checkout.path / ".env").write_bytes(
        b"# From Windows\r\n\r\nexport DEBUG=true\r\nALLOWED_HOSTS='127.0.0.1, example.com'\r\n"
        b"""POSTGRES_PASSWORD='p@:/?#%$" w'\r\nPOSTGRES_USER="my user"\r\nPOSTGRES_DB=my-app\r\nUNKNOWN=\r\n"""
    )

    checkout.up()

    assert "PostgreSQL" in checkout.page()
    # The health check, too, asks for this user and database: a wrong name would fill the log.
    assert "FATAL" not in checkout.logs("db").replace("FATAL:  the database system is starting up", "")
    assert "p@:/?#%$" in checkout.manage("shell", "--no-imports", "-c", PRINT_PASSWORD)


def test_password_of_the_environment_may_have_any_character(checkout):
    password = """p@:/?#%$HOME ' " ${x} $$ \\ ü"""

    checkout.up(POSTGRES_PASSWORD=password)

    assert "PostgreSQL" in checkout.page()
    printed = checkout.manage("shell", "--no-imports", "-c", PRINT_PASSWORD, POSTGRES_PASSWORD=password)
    assert printed == f"{password}\n"
