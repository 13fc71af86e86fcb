"""A project on MariaDB in the place of Postgres: from the page to the way back."""

import subprocess

from django_compose_stack.tests.stack.checkout import LONG, environment, run, wait_for
from django_compose_stack.tests.stack.conftest import BESIDE, CONTAINERS

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


def test_page_is_on_mariadb_and_all_services_run_beside_it(mariadb):
    assert "MariaDB 11.8" in mariadb.page()
    assert mariadb.make("doctor").stdout == "No problem found.\n"
    assert sorted(mariadb.compose("ps", "--services").stdout.split()) == sorted(["db", "web", *CONTAINERS])
    assert mariadb.shell("from django.core.cache import cache; cache.set('a', 1); print(cache.get('a'))") == "1"


def test_command_waits_for_a_server_that_starts_and_not_for_a_wrong_password(mariadb):
    connect = (
        "from django_compose_stack import waiting; waiting.START_TIMEOUT = 0.5; waiting.started = time.monotonic();"
    )
    connect = f"import time; {connect} from django.db import connection; connection.ensure_connection()"
    words = ["web", "python", "manage.py", "shell", "--no-imports", "-c", connect]

    closed = mariadb.compose("exec", "-T", "--env=MYSQL_PORT=1", *words, check=False).stderr
    wrong = mariadb.compose("exec", "-T", "--env=MYSQL_PASSWORD=wrong", *words, check=False).stderr

    assert closed.startswith("Waiting for the database at db.\n")
    assert "Connection refused" in closed
    assert "Waiting" not in wrong
    assert "Access denied for user 'app'" in wrong


def test_application_has_its_own_database_alone(mariadb):
    user = "SELECT CURRENT_USER(); SHOW GRANTS"
    shown = mariadb.make("dbshell", input=f"{user};\n").stdout

    assert "app@%" in shown
    # In a batch the client doubles backslashes.
    grants = shown.replace("\\\\", "\\").splitlines()
    assert sorted(line.partition(" TO ")[0] for line in grants if line.startswith("GRANT")) == [
        "GRANT ALL PRIVILEGES ON `app`.*",
        "GRANT ALL PRIVILEGES ON `test\\_%`.*",
        "GRANT USAGE ON *.*",
    ]
    remote = ["exec", "-T", "web", "python", "-c", "import pymysql; pymysql.connect(host='db', user='root')"]
    assert "Access denied for user 'root'" in mariadb.compose(*remote, check=False).stderr


def test_text_is_any_unicode_what_does_not_fit_is_an_error_and_time_zones_are_known(mariadb):
    code = """
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from django.db import DataError
from django.db.models.functions import TruncDay
from apps.pages.models import Note
note = Note.objects.create(text="\U0001f40b \u00fc \u4e2d")
note.refresh_from_db()
print(ascii(note.text), Note.objects.filter(text="\U0001f40b \u00dc \u4e2d").exists())
try:
    Note.objects.create(text="x" * 201)
except DataError as error:
    print(error.args[0])
Note.objects.filter(pk=note.pk).update(created=datetime(2026, 6, 1, 23, tzinfo=timezone.utc))
day = TruncDay("created", tzinfo=ZoneInfo("Europe/Berlin"))
print(Note.objects.filter(pk=note.pk).values_list(day, flat=True)[0])
note.delete()
"""

    assert mariadb.shell(code).splitlines() == [
        # Case and accents make no difference.
        "'\\U0001f40b \\xfc \\u4e2d' True",
        "1406",
        "2026-06-02 00:00:00+02:00",
    ]


def test_dashboard_shows_the_server_and_says_why_it_does_not_answer(mariadb):
    page = mariadb.page("/_stack/")
    for text in ("MariaDB 11.8", "db:3306", "mariadb-data", "connections"):
        assert text in page

    mariadb.compose("stop", "db")
    assert "There is no host db: its container is not running." in mariadb.page("/_stack/")
    mariadb.compose("start", "db")
    wait_for(lambda: mariadb.get()[0] == 200, "the page again")
    mariadb.sql("ALTER USER app@'%' IDENTIFIED BY 'another'")
    assert "The server refused the password" in mariadb.page("/_stack/")
    mariadb.sql("ALTER USER app@'%' IDENTIFIED BY 'app'")
    assert "MariaDB 11.8" in mariadb.page("/_stack/")


def test_failed_migration_names_what_it_left(mariadb):
    path = mariadb.path / "apps/pages/migrations/0002_broken.py"
    path.write_text(BROKEN)

    failed = mariadb.make("migrate", check=False)
    path.unlink()

    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "pages.0002_broken has failed, and MariaDB cannot roll back what it had done:\n    ALTER TABLE" in said
    assert "ADD COLUMN `colour`" in said
    assert mariadb.sql("SHOW COLUMNS FROM pages_note LIKE 'colour'").startswith("colour\tvarchar(9)")
    mariadb.sql("ALTER TABLE pages_note DROP COLUMN colour")


def test_second_migrate_waits_for_its_turn(mariadb):
    lock = "from django.db import connection; from django_compose_stack import databases; import sys;"
    lock += " print(databases.of(connection).take_turn(connection.cursor()), flush=True); sys.stdin.read()"
    words = ["docker", "compose", "exec", "-T", "web", "python", "manage.py"]
    options = {"cwd": mariadb.path, "env": environment(WEB_PORT=str(mariadb.port)), "stdout": subprocess.PIPE}
    with subprocess.Popen([*words, "shell", "--no-imports", "-c", lock], stdin=subprocess.PIPE, **options) as holder:
        assert holder.stdout.readline() == b"True\n"
        with subprocess.Popen([*words, "migrate"], stdin=subprocess.DEVNULL, **options) as second:
            assert second.stdout.readline() == b"Waiting: another process is migrating this database\n"
            # The lock ends with the connection.
            holder.stdin.close()
            assert b"No migrations to apply." in second.stdout.read()
    assert second.returncode == 0


def test_tests_run_on_a_server_of_their_own_which_goes_with_them(mariadb):
    before = mariadb.sql("SHOW DATABASES")

    assert " passed" in mariadb.make("test", "ARGS=-q apps", timeout=LONG).stdout

    assert mariadb.sql("SHOW DATABASES") == before
    assert run("docker", "ps", "--all", "--quiet", f"--filter=name={mariadb.name}-db-test").stdout == ""


def test_killed_worker_loses_no_task(mariadb):
    path = mariadb.path / "apps/accounts/tasks.py"
    path.write_text(SLOW)
    pk = mariadb.shell("from apps.accounts.tasks import slow; print(slow.enqueue().id)").splitlines()[-1]
    wait_for((mariadb.path / "begun").exists, "the task to begin")
    (mariadb.path / "begun").unlink()
    run("docker", "kill", mariadb.container("worker"))

    mariadb.make("up", timeout=LONG)

    wait_for((mariadb.path / "begun").exists, "another worker to begin")
    (mariadb.path / "end").touch()
    query = "SELECT status, JSON_LENGTH(worker_ids) FROM django_tasks_database_dbtaskresult"
    query += f" WHERE id IN ('{pk}', REPLACE('{pk}', '-', ''))"
    wait_for(lambda: mariadb.sql(query) == "SUCCESSFUL\t2", "the task to end")
    for name in ("begun", "end", "apps/accounts/tasks.py"):
        (mariadb.path / name).unlink()


def test_mariadb_leaves_no_trace(mariadb):
    said = mariadb.drop("mariadb")
    for name in BESIDE:
        mariadb.drop(name)

    assert f"The data of before stays in the volume {mariadb.name}_mariadb-data." in said
    assert mariadb.changes() == ""
    mariadb.make("up", timeout=LONG)
    assert "PostgreSQL" in mariadb.page()
