import os
import subprocess
import sys
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from django_compose_stack import health
from django_compose_stack.databases.postgresql import MIGRATE
from django_compose_stack.management.commands import migrate

pytestmark = pytest.mark.django_db


@pytest.fixture
def postgres(db):
    if connection.vendor != "postgresql":
        pytest.skip("only Postgres has advisory locks")


@pytest.fixture
def other(postgres):
    """A second session on the same database."""
    import psycopg

    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}, autocommit=True) as session:
        yield session


def test_migrate_waits_for_its_turn_and_gives_up_in_time(other, monkeypatch):
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", 0.1)
    other.execute("SELECT pg_advisory_lock(%s)", [MIGRATE])
    out = StringIO()

    with pytest.raises(CommandError, match=r"Gave up after 0\.1 s: another process is migrating this database"):
        call_command("migrate", stdout=out)

    assert out.getvalue() == "Waiting: another process is migrating this database\n"


def test_migrate_has_timeouts_and_leaves_none_of_them_behind(postgres, monkeypatch):
    def settings():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
            return cursor.fetchone()

    before = settings()
    seen = []
    monkeypatch.setattr(migrate.MigrateCommand, "handle", lambda *args, **options: seen.append(settings()))

    call_command("migrate")

    assert seen == [("5s", "15min")]
    assert settings() == before


def test_migrate_gives_the_lock_back_when_it_fails(other, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("half way")

    monkeypatch.setattr(migrate.MigrateCommand, "handle", fail)

    with pytest.raises(RuntimeError):
        call_command("migrate")

    assert other.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATE]).fetchone() == (True,)


def test_migrate_makes_the_table_of_a_database_cache(settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache_of_a_test"}
    }

    call_command("migrate", verbosity=0)

    assert "cache_of_a_test" in connection.introspection.table_names()


def test_migrate_waits_for_the_database(monkeypatch):
    monkeypatch.setattr(health, "INTERVAL", 0.01)
    monkeypatch.setattr(migrate, "database_state", lambda: "connection refused")

    with pytest.raises(CommandError, match="The database does not answer: connection refused"):
        call_command("migrate", wait=0.05, stdout=StringIO())


def test_migrate_waits_before_the_checks_which_may_ask_the_database(monkeypatch):
    asked = []
    monkeypatch.setattr(migrate, "database_state", lambda: asked.append("state") or health.OK)
    monkeypatch.setattr(migrate.MigrateCommand, "check", lambda *args, **options: asked.append("checks"))

    call_command("migrate", wait=1, verbosity=0, skip_checks=False)

    assert asked[:2] == ["state", "checks"]


def test_ready_says_nothing_where_all_is_well():
    out = StringIO()

    call_command("ready", stdout=out)

    assert out.getvalue() == ""


def test_ready_names_what_lacks():
    MigrationRecorder(connection).record_unapplied("pages", "0001_initial")

    with pytest.raises(CommandError, match=r"Not ready: migrations: 1 unapplied, pages\.0001_initial first"):
        call_command("ready", stdout=StringIO())


def test_ready_waits_until_the_database_is_there(monkeypatch):
    monkeypatch.setattr(health, "INTERVAL", 0.01)
    answers = [{"database": "refused"}, {"database": "refused"}, {"database": "ok", "migrations": "ok"}]
    monkeypatch.setattr("django_compose_stack.management.commands.ready.readiness", lambda: answers.pop(0))
    out = StringIO()

    call_command("ready", wait=30, stdout=out)

    assert out.getvalue() == "Waiting: database: refused\n"


def test_ready_refuses_more_threads_than_postgres_has_connections(postgres, settings):
    settings.WEB_REPLICAS, settings.WEB_CONCURRENCY = 50, 4

    with pytest.raises(
        CommandError, match=r"WEB_REPLICAS=50, plus one during a deploy, times WEB_CONCURRENCY=4 .* 816 connections"
    ):
        call_command("ready")


def test_lost_connection_does_not_hide_why_a_migration_failed(postgres, monkeypatch):
    def lose(*args, **options):
        connection.connection.close()
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(migrate.MigrateCommand, "handle", lose)

    with pytest.raises(OperationalError, match="closed the connection unexpectedly"):
        call_command("migrate")
    connection.close()


def test_migrate_of_an_app_of_the_project_is_kept(tmp_path):
    """In a process of its own, because the class is chosen when the command is imported."""
    commands = tmp_path / "tenants/management/commands"
    commands.mkdir(parents=True)
    for folder in (tmp_path / "tenants", commands.parent, commands):
        (folder / "__init__.py").write_text("")
    (commands / "migrate.py").write_text(
        "from django.core.management.commands.migrate import Command\n"
        "class Command(Command):\n"
        "    def handle(self, *args, **options):\n"
        "        self.stdout.write('tenants migrated')\n"
    )
    program = (
        "import django\n"
        "from django.conf import settings\n"
        "from django.core.management import call_command\n"
        "settings.configure(INSTALLED_APPS=['django_compose_stack', 'tenants'], DATABASES={'default': {\n"
        "    'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}})\n"
        "django.setup()\n"
        "call_command('migrate')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{settings.BASE_DIR}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("tenants migrated\n", "")
