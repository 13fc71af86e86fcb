"""Production on MariaDB: a rehearsal, what breaks in it, its data, and a deploy to a Swarm."""

import json
import re

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.prod.production import running
from django_compose_stack.tests.stack.checkout import run, wait_for


def add_mariadb(production):
    production.make("add", "SERVICE=mariadb", MODE="docker")
    # What locking the packages has started, and the image of development.
    production.run("docker", "compose", "down", "--volumes", "--rmi=local")


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    """Production with Compose and two replicas. Each test leaves it well."""
    with running(tmp_path_factory, "prod-up", prepare=add_mariadb) as production:
        yield production
        run("docker", "volume", "rm", "--force", f"{production.name}_db-data")


def add_note(production, text):
    code = f"from apps.pages.models import Note; Note.objects.create(text={text!r})"
    production.manage("shell", "--no-imports", "-c", code)


def is_well(production):
    return all(production.request("/").status == 200 for _ in range(6))


def test_page_is_on_mariadb_whose_root_nobody_reaches(production):
    add_note(production, "kept")
    answer = production.request("/")

    assert "MariaDB 11.8" in answer.body
    assert "kept" in answer.body
    connect = "import pymysql; pymysql.connect(host='db', user='root')"
    refused = production.run(*STACK, "prod-exec", "web", "python", "-c", connect, check=False)
    assert "Access denied for user 'root'" in refused.stderr


def test_without_its_database_the_site_answers_503_and_comes_back_by_itself(production):
    production.compose("stop", "db")
    try:
        answers = [production.request("/") for _ in range(4)]
    finally:
        production.compose("start", "db")
    assert [answer.status for answer in answers] == [503] * 4
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}
    wait_for(lambda: is_well(production), "the page after the database has come back", 60)

    production.compose("kill", "--signal=KILL", "db")
    production.compose("start", "db")

    wait_for(lambda: is_well(production), "the page after the database was killed", 60)
    assert "kept" in production.request("/").body


def test_data_of_production_is_saved_restored_and_told_by_status(production):
    path = re.search(r"Wrote (\S+\.sql\.gz)", production.make("backup", MODE="production").stdout)[1]
    add_note(production, "after the backup")

    production.make("restore", f"FILE={path}", MODE="production")

    page = production.request("/").body
    assert "kept" in page
    assert "after the backup" not in page
    production.make("restore-undo", MODE="production")
    assert "after the backup" in production.request("/").body
    status = json.loads(production.make("status", MODE="production", JSON="1", check=False).stdout)
    assert status["database"]["version"].startswith("11.8.")
    assert status["backup"]["path"].endswith(path)
    assert [each for each in status["problems"] if "requests of the last hour" not in each] == []


def test_new_password_reaches_the_database(production):
    (production.path / "secrets/mysql_password").write_text('it\'s a \\ "new" one\n')

    production.make("db-password", MODE="production")

    wait_for(lambda: is_well(production), "the page with the new password", 60)
    shell = production.make("dbshell", MODE="production", input="SELECT CURRENT_USER();\n").stdout
    assert "app@%" in shell


def test_it_is_deployed_to_a_swarm(production, swarm):
    production.make("prod-down")

    production.make("deploy")

    wait_for(lambda: is_well(production), "the page of the stack", 60)
    assert "kept" in production.request("/").body
    assert "Wrote backups/" in production.make("backup", MODE="production").stdout
