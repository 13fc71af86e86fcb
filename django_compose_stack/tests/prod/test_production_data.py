"""The same commands on production's database, with Compose and as a stack."""

import re
import secrets
import shutil
from pathlib import Path

import pytest

from django_compose_stack.tests.prod.load import Load
from django_compose_stack.tests.prod.production import Production
from django_compose_stack.tests.stack.checkout import ROOT, run, wait_for


def change_password(production):
    path = production.path / "secrets/postgres_password"
    path.write_text(secrets.token_urlsafe(24))
    production.make("db-password", "MODE=production")


def test_backup_and_restore_under_load(plain):
    """Requests wait or are told to come again; whatever was acknowledged before the backup is there."""
    with Load(plain) as load:
        wait_for(lambda: len(load.acknowledged) > 20, "some notes")
        before = list(load.acknowledged)
        name = re.search(r"Wrote (\S+\.dump)", plain.make("backup", "MODE=production").stdout)[1]
        plain.make("restore", "MODE=production", f"FILE={name}")
        wait_for(lambda: plain.request("/").status == 200, "the page to be back")

    assert name.startswith(f"backups/{plain.name}/")
    texts = plain.sql("SELECT text FROM pages_note").split()
    assert set(before) - set(texts) == set()
    assert {status for _, status in load.failed} <= {503}
    plain.make("restore-forget", "MODE=production")


def test_line_for_the_crontab_writes_a_backup(plain):
    """Cron has a shell and next to no environment; only Docker may be in a folder of its own here."""
    line = re.search(r"^17 3 \* \* \* (.+)$", (ROOT / "docs/production.md").read_text(), re.M)[1]
    (plain.path / ".env").write_text("".join(f"{name}={value}\n" for name, value in plain.variables.items()))
    folder = plain.path / "backups" / plain.name
    before = set(folder.glob("*.dump"))
    variables = [f"PATH={Path(shutil.which('docker')).parent}:/usr/bin:/bin", f"HOME={Path.home()}"]

    done = run("env", "-i", *variables, "sh", "-c", line.replace("/srv/site", str(plain.path)))

    (new,) = set(folder.glob("*.dump")) - before
    assert (done.stdout, done.stderr) == ("", "")
    run("sha256sum", "--check", f"{new.name}.sha256", cwd=folder)
    (plain.path / ".env").unlink()


def test_changed_password_is_given_to_the_database(plain):
    change_password(plain)

    assert plain.request("/").status == 200


def test_changed_password_of_a_stack(stack):
    change_password(stack)

    wait_for(lambda: stack.request("/").status == 200, "the page to be back")
    assert (
        stack.exec("web", "cat", "/run/secrets/postgres_password")
        == (stack.path / "secrets/postgres_password").read_text()
    )


@pytest.mark.parametrize("way", ["prod-up", "deploy"])
def test_upgrade_from_17_to_18_and_back(tmp_path, swarm, way):
    """The first try fails half way: a constraint that works here refers to a table as no dump can be loaded."""
    if run("docker", "image", "inspect", "postgres:17", check=False).returncode:
        pytest.skip("the engine has no image postgres:17")
    production = Production(tmp_path)
    (production.path / ".env").write_text("POSTGRES_VERSION=17\n")
    try:
        production.make(way)
        with Load(production) as load:
            wait_for(lambda: len(load.acknowledged) > 20, "some notes")
        assert load.failed == {}
        production.sql(
            "CREATE FUNCTION known(text) RETURNS bool LANGUAGE sql AS 'SELECT count(*) > 0 FROM pages_note';"
            "ALTER TABLE pages_note ADD CONSTRAINT odd CHECK (known(text))"
        )

        failed = production.make("upgrade-db", "MODE=production", "TO=18", check=False)

        assert failed.returncode != 0
        assert "Nothing has changed: starting Postgres 17 and web again" in failed.stderr
        wait_for(lambda: "PostgreSQL 17" in production.request("/").body, "version 17")
        assert set(production.sql("SELECT text FROM pages_note").split()) == set(load.acknowledged)
        production.sql("ALTER TABLE pages_note DROP CONSTRAINT odd; DROP FUNCTION known")

        production.make("upgrade-db", "MODE=production", "TO=18")

        wait_for(lambda: "PostgreSQL 18" in production.request("/").body, "version 18")
        assert set(production.sql("SELECT text FROM pages_note").split()) == set(load.acknowledged)
        production.make("upgrade-db", "MODE=production", "TO=17")
        wait_for(lambda: "PostgreSQL 17" in production.request("/").body, "version 17")
        assert set(production.sql("SELECT text FROM pages_note").split()) == set(load.acknowledged)
    finally:
        production.remove()
