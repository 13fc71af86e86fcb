"""A project on MariaDB in the place of Postgres, and back again without a trace."""

import subprocess

import pytest

from django_compose_stack.tests.stack.checkout import LONG, Repository, environment, run, wait_for

BROKEN = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pages", "0001_initial")]
    operations = [
        migrations.AddField("note", "colour", models.CharField(default="red", max_length=9)),
        migrations.RunSQL("ALTER TABLE no_such_table ADD COLUMN x int"),
    ]
"""
SLOW = """
import time
from pathlib import Path

from django.tasks import task


@task
def slow():
    Path("begun").touch()
    while not Path("end").exists():
        time.sleep(0.05)
    return 1
"""


@pytest.fixture(scope="module")
def project(engine, tmp_path_factory):
    project = Repository(tmp_path_factory.mktemp("mariadb"))
    said = project.add("mariadb")
    project.add("worker")
    project.make("up", timeout=LONG)
    project.make("migrate")
    assert "Added mariadb: .env.example, compose.yaml, config/settings.py, pyproject.toml, the lock files." in said
    assert f"The data of before stays in the volume {project.name}_db-data." in said
    yield project
    project.compose("down", "--volumes", check=False)
    for name in ("db-data", "mariadb-data"):
        run("docker", "volume", "rm", "--force", f"{project.name}_{name}")
    project.remove()


def sql(project, statements, user="root"):
    return project.compose(
        "exec", "-T", "db", "mariadb", "-N", f"--user={user}", "app", input=statements
    ).stdout.strip()


def test_page_is_on_mariadb(project):
    assert "MariaDB 11.8" in project.page()
    assert project.make("doctor").stdout == "No problem found.\n"


def test_command_waits_for_a_server_that_starts_and_not_for_a_wrong_password(project):
    connect = (
        "from django_compose_stack import waiting; waiting.START_TIMEOUT = 0.5; waiting.started = time.monotonic();"
    )
    connect = f"import time; {connect} from django.db import connection; connection.ensure_connection()"
    words = ["web", "python", "manage.py", "shell", "--no-imports", "-c", connect]

    closed = project.compose("exec", "-T", "--env=MYSQL_PORT=1", *words, check=False).stderr
    wrong = project.compose("exec", "-T", "--env=MYSQL_PASSWORD=wrong", *words, check=False).stderr

    assert closed.startswith("Waiting for the database at db.\n")
    assert "Connection refused" in closed
    assert "Waiting" not in wrong
    assert "Access denied for user 'app'" in wrong


def test_application_has_its_own_database_alone(project):
    user = "SELECT CURRENT_USER(); SHOW GRANTS"
    shown = project.make("dbshell", input=f"{user};\n").stdout

    assert "app@%" in shown
    # In a batch the client doubles backslashes.
    grants = shown.replace("\\\\", "\\").splitlines()
    assert sorted(line.partition(" TO ")[0] for line in grants if line.startswith("GRANT")) == [
        "GRANT ALL PRIVILEGES ON `app`.*",
        "GRANT ALL PRIVILEGES ON `test\\_%`.*",
        "GRANT USAGE ON *.*",
    ]
    remote = ["exec", "-T", "web", "python", "-c", "import pymysql; pymysql.connect(host='db', user='root')"]
    assert "Access denied for user 'root'" in project.compose(*remote, check=False).stderr


def test_text_is_any_unicode_what_does_not_fit_is_an_error_and_time_zones_are_known(project):
    code = """
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from django.db import DataError
from django.db.models.functions import TruncDay
from apps.pages.models import Note
note = Note.objects.create(text="\U0001f40b \u00fc \u4e2d")
note.refresh_from_db()
print(ascii(note.text))
try:
    Note.objects.create(text="x" * 201)
except DataError as error:
    print(error.args[0])
Note.objects.filter(pk=note.pk).update(created=datetime(2026, 6, 1, 23, tzinfo=timezone.utc))
day = TruncDay("created", tzinfo=ZoneInfo("Europe/Berlin"))
print(Note.objects.filter(pk=note.pk).values_list(day, flat=True)[0])
note.delete()
"""

    assert project.shell(code).splitlines() == [
        "'\\U0001f40b \\xfc \\u4e2d'",
        "1406",
        "2026-06-02 00:00:00+02:00",
    ]


def test_dashboard_shows_the_server_and_says_why_it_does_not_answer(project):
    page = project.page("/_stack/")
    for text in ("MariaDB 11.8", "db:3306", "mariadb-data", "connections"):
        assert text in page

    project.compose("stop", "db")
    assert "There is no host db: its container is not running." in project.page("/_stack/")
    project.compose("start", "db")
    wait_for(lambda: project.get()[0] == 200, "the page again")
    sql(project, "ALTER USER app@'%' IDENTIFIED BY 'another'")
    assert "The server refused the password" in project.page("/_stack/")
    sql(project, "ALTER USER app@'%' IDENTIFIED BY 'app'")
    assert "MariaDB 11.8" in project.page("/_stack/")


def test_failed_migration_names_what_it_left(project):
    path = project.path / "apps/pages/migrations/0002_broken.py"
    path.write_text(BROKEN)

    failed = project.make("migrate", check=False)
    path.unlink()

    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "pages.0002_broken has failed, and MariaDB cannot roll back what it had done:\n    ALTER TABLE" in said
    assert "ADD COLUMN `colour`" in said
    assert sql(project, "SHOW COLUMNS FROM pages_note LIKE 'colour'").startswith("colour\tvarchar(9)")
    sql(project, "ALTER TABLE pages_note DROP COLUMN colour")


def test_second_migrate_waits_for_its_turn(project):
    lock = "from django.db import connection; from django_compose_stack import databases; import sys;"
    lock += " print(databases.of(connection).take_turn(connection.cursor()), flush=True); sys.stdin.read()"
    words = ["docker", "compose", "exec", "-T", "web", "python", "manage.py"]
    options = {"cwd": project.path, "env": environment(WEB_PORT=str(project.port)), "stdout": subprocess.PIPE}
    with subprocess.Popen([*words, "shell", "--no-imports", "-c", lock], stdin=subprocess.PIPE, **options) as holder:
        assert holder.stdout.readline() == b"True\n"
        with subprocess.Popen([*words, "migrate"], stdin=subprocess.DEVNULL, **options) as second:
            assert second.stdout.readline() == b"Waiting: another process is migrating this database\n"
            # The lock ends with the connection.
            holder.stdin.close()
            assert b"No migrations to apply." in second.stdout.read()
    assert second.returncode == 0


def test_tests_run_on_a_server_of_their_own_which_goes_with_them(project):
    before = sql(project, "SHOW DATABASES")

    assert " passed" in project.make("test", "ARGS=-q apps", timeout=LONG).stdout

    assert sql(project, "SHOW DATABASES") == before
    assert run("docker", "ps", "--all", "--quiet", f"--filter=name={project.name}-db-test").stdout == ""


def test_killed_worker_loses_no_task(project):
    path = project.path / "apps/accounts/tasks.py"
    path.write_text(SLOW)
    pk = project.shell("from apps.accounts.tasks import slow; print(slow.enqueue().id)").splitlines()[-1]
    wait_for((project.path / "begun").exists, "the task to begin")
    (project.path / "begun").unlink()
    run("docker", "kill", project.container("worker"))

    project.make("up", timeout=LONG)

    wait_for((project.path / "begun").exists, "another worker to begin")
    (project.path / "end").touch()
    query = "SELECT status, JSON_LENGTH(worker_ids) FROM django_tasks_database_dbtaskresult"
    query += f" WHERE id IN ('{pk}', REPLACE('{pk}', '-', ''))"
    wait_for(lambda: sql(project, query) == "SUCCESSFUL\t2", "the task to end")
    for name in ("begun", "end", "apps/accounts/tasks.py"):
        (project.path / name).unlink()


@pytest.mark.parametrize("name", ["backup", "reset", "db-owner", "upgrade-db TO=12", "prod-up", "deploy"])
def test_what_is_for_postgres_alone_is_refused_by_name(project, name):
    refused = project.make(
        *name.split(), MODE="docker" if "p" not in name[:1] and name != "deploy" else None, check=False
    )

    assert refused.returncode != 0
    assert "is for Postgres, and this project has MariaDB.\nFix: " in refused.stderr
    assert not (project.path / "compose.prod.yaml").exists()


def test_mariadb_leaves_no_trace(project):
    said = project.drop("mariadb")
    project.drop("worker")

    assert f"The data of before stays in the volume {project.name}_mariadb-data." in said
    assert project.changes() == ""
    project.make("up", timeout=LONG)
    assert "PostgreSQL" in project.page()
    assert project.make("doctor").stdout == "No problem found.\n"
