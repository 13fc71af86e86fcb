"""Native mode: what the command gets, and what comes back."""

import os
import pty
import select
import stat

import pytest


def variables(checkout, *words, **options):
    output = checkout(*words, "env", "-0", **options).stdout
    return dict(item.split("=", 1) for item in output.split("\0") if item)


@pytest.fixture
def dotenv(used):
    """Return a function that writes used/.env."""
    path = used.path / ".env"
    yield path.write_text
    path.unlink()


def test_exit_status_is_the_commands(used):
    used("sh", "-c", "exit 37", status=37)


def test_input_and_output_are_the_commands(used):
    result = used("sh", "-c", "tr a-z A-Z; echo note >&2", input="text")

    assert (result.stdout, result.stderr) == ("TEXT", "note\n")


def test_a_terminal_reaches_the_command(used):
    main, side = pty.openpty()
    process = used.popen("tty", stdin=side, stdout=side, stderr=side)

    process.wait(60)
    ready, _, _ = select.select([main], [], [], 1)

    assert ready and os.read(main, 1000).decode().strip() == os.ttyname(side)
    os.close(main)
    os.close(side)


def test_a_command_ends_quietly_when_its_reader_does(used):
    used("sh", "-c", "yes | head -n 1", status=0)
    process = used.popen("yes")
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(60) == -13  # SIGPIPE
    assert process.stderr.read() == ""
    process.stderr.close()


def test_commands_run_in_the_checkout(used):
    assert used("pwd").stdout == f"{used.path}\n"


def test_unknown_command_is_named(used):
    assert used("nonsense", status=127).stderr == "stack: nonsense: command not found\n"
    assert used("/etc/passwd", status=126).stderr == "stack: /etc/passwd: Permission denied\n"


def test_usage_comes_without_a_command_and_on_request(used):
    usage = used("--help").stdout

    assert "--test CMD..." in usage
    assert used(status=2).stderr == usage
    assert used("--test", status=2).stderr == usage
    assert used("up", "-d", status=2).stderr == f"stack: up: unknown argument '-d'\n{usage}"


def test_programs_of_the_environment_and_of_postgres_come_first_on_the_path(used):
    output = used("sh", "-c", "command -v python; command -v pytest; command -v pg_dump; psql --version").stdout

    python, pytest_, pg_dump, psql = output.splitlines()
    assert python == str(used.path / ".venv/bin/python")
    assert pytest_ == str(used.path / ".venv/bin/pytest")
    assert pg_dump.startswith(str(used.path / ".venv/lib/"))
    assert psql.startswith("psql (PostgreSQL) 18.")


def test_dump_and_restore(used):
    used.query("create table kept (v int); insert into kept values (42)")

    dump = used.path / "dump"
    with dump.open("wb") as file:
        assert used.popen("pg_dump", "--format=custom", stdout=file, stderr=None).wait(60) == 0
    used.query("drop table kept")
    used("pg_restore", "--dbname=app", "--table=kept", str(dump))

    assert used.query("select v from kept") == "42"
    used.query("drop table kept")


def test_variables_of_a_command(used):
    found = variables(used)

    port, password = used.read(".postgres/port"), used.read(".postgres/password")
    assert {
        name: value for name, value in found.items() if name.startswith(("POSTGRES_", "PG", "DEBUG", "VIRTUAL"))
    } == {
        "DEBUG": "true",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": port,
        "POSTGRES_DB": "app",
        "POSTGRES_USER": "app",
        "POSTGRES_PASSWORD": password,
        "PGHOST": "127.0.0.1",
        "PGPORT": port,
        "PGDATABASE": "app",
        "PGUSER": "app",
        "PGPASSWORD": password,
        "VIRTUAL_ENV": str(used.path / ".venv"),
    }
    assert len(password) >= 32


@pytest.mark.parametrize("text", ["DEBUG=false\n", "export DEBUG=false\r\n", "# DEBUG=true\nDEBUG='false'\n"])
def test_debug_of_dotenv_is_left_to_django(used, dotenv, text):
    dotenv(text)

    assert "DEBUG" not in variables(used)
    assert variables(used, env={"DEBUG": "on"})["DEBUG"] == "on"


def test_password_of_dotenv_may_have_any_character(used, dotenv):
    dotenv("POSTGRES_PASSWORD='@:/?#%$\" $x'\n")

    script = "from django.db import connection as c; c.ensure_connection(); print(c.vendor)"
    assert used("python", "manage.py", "shell", "--verbosity=0", "-c", script).stdout == "postgresql\n"


def test_wrong_dotenv_is_refused_by_line(used, dotenv):
    dotenv("DEBUG=true\nSECRET_KEY=abc$def\n")

    assert "line 2, SECRET_KEY: Compose reads a secret of" in used("true", status=1).stderr


@pytest.mark.parametrize("port", ["none", "0", "65536"])
def test_wrong_web_port_is_refused(used, port):
    message = f"stack: WEB_PORT has value '{port}'. Expected a whole number from 1 to 65535.\n"

    assert used("up", status=1, env={"WEB_PORT": port}).stderr == message


def test_database_url_starts_no_server(checkout):
    (checkout.path / ".env").write_text("DATABASE_URL=sqlite:///other.db\n")

    found = variables(checkout)
    assert not any(name.startswith(("POSTGRES_", "PG")) for name in found)
    checkout("python", "manage.py", "migrate", "--verbosity=0")
    assert (checkout.path / "other.db").exists()
    assert not (checkout.path / ".postgres").exists()
    assert "db        running   DATABASE_URL" in checkout("ps").stdout


def test_own_files_are_private(used):
    for name in (".postgres/password", ".postgres/lock", ".native/lock"):
        assert stat.S_IMODE((used.path / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((used.path / ".postgres").stat().st_mode) == 0o700
