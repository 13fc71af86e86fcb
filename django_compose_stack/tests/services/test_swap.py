"""A service in the place of Postgres: one at a time, with packages that come back in the versions that they had."""

import json
import re
import shutil
import subprocess

import pytest

from django_compose_stack.host.process import Failure
from django_compose_stack.services import command, database, packages
from django_compose_stack.tests import ROOT

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
LOCK = "requirements/dev.txt"


@pytest.fixture
def project(project, monkeypatch):
    monkeypatch.setattr(database, "ROOT", project.path)
    monkeypatch.setattr(command, "end_all", lambda: project.locked.append("everything stopped"))
    return project


def git(project, *words):
    subprocess.run([*GIT, *words], cwd=project.path, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("name", "title", "package"), [("mariadb", "MariaDB", "pymysql>=1.2"), ("mysql", "MySQL", "pymysql[rsa]>=1.2")]
)
def test_project_has_the_database_and_its_driver(project, name, title, package):
    assert database.chosen().title == "Postgres"
    before = project.read("pyproject.toml")

    command.add(name)

    assert database.chosen()[:3] == (name, title, "MYSQL_HOST")
    after = project.read("pyproject.toml")
    assert after == before.replace("psycopg[binary,pool]>=3.2", package)
    everything = project.read("compose.yaml") + project.read(".env.example") + project.read("config/settings.py")
    assert "postgres" not in everything.lower()
    assert set(re.findall("mariadb|mysql|MariaDB|MySQL", project.read("compose.yaml"))) <= {name, "mysql"}


def test_every_variable_of_the_database_is_described(project):
    command.add("mariadb")

    used = set(re.findall(r"\$\{(M[A-Z_]+):-", project.read("compose.yaml")))
    used |= set(re.findall(r'env\.\w+\("(MYSQL_[A-Z]+)"', project.read("config/settings.py")))
    described = set(re.findall(r"^(M[A-Z]+_[A-Z]+)=", project.read(".env.example"), re.M))

    assert described == used
    assert used


def test_nothing_runs_while_the_database_is_swapped(project):
    command.add("mariadb")
    assert [text[:10] for text in project.locked] == ["everything", "[project]\n", "everything"]

    command.drop("mariadb")
    assert len(project.locked) == 6


@pytest.mark.parametrize(("first", "second"), [("mariadb", "mysql"), ("mysql", "mariadb")])
def test_second_database_is_refused(project, first, second):
    command.add(first)
    before = project.contents()

    with pytest.raises(Failure, match=f"the project has {first}, which is in the place that {second} takes"):
        command.add(second)
    with pytest.raises(Failure, match=f"{second} is not there"):
        command.drop(second)

    assert project.contents() == before


def test_edited_lines_are_shown_as_they_must_be(project):
    command.add("mariadb")
    project.replace("compose.yaml", "    profiles: [test]\n", "    profiles: [test]\n    cpus: 2\n")
    before = project.contents()

    with pytest.raises(Failure) as refused:
        command.drop("mariadb")

    message = str(refused.value)
    assert "nothing was removed" in message
    assert "must be:\n        <<: *mariadb\n        profiles: [test]\n        command: [--skip-log-bin" in message
    assert "Fix: Restore those lines yourself, then: make remove SERVICE=mariadb" in message
    assert project.contents() == before


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")
def test_packages_come_back_in_the_versions_that_they_had(project, monkeypatch):
    """The resolver keeps to what is locked, and so would take the newest of what is locked no more."""
    monkeypatch.setattr("django_compose_stack.host.process.ROOT", project.path)
    (project.path / "requirements").mkdir(exist_ok=True)
    old = "django==6.1.3 \\\n    --hash=sha256:aa\npsycopg==3.1.0 ; python_version < '4' \\\n    --hash=sha256:bb\n"
    (project.path / LOCK).write_text(f"{old}psycopg-pool==3.0.1\ntyping-extensions==4.0.0\n")
    git(project, "init", "--quiet")
    git(project, "add", "--all", "--force")
    git(project, "commit", "--quiet", "--message=Begin")
    new = "django==6.1.4 \\\n    --hash=sha256:cc\npymysql==1.2.4\n"
    pins = old.partition("sha256:aa\n")[2] + "psycopg-pool==3.0.1\ntyping-extensions==4.0.0\n"
    command.add("mariadb")
    (project.path / LOCK).write_text(new)

    assert packages.forgotten(project.path / LOCK, new, ["psycopg[binary,pool]>=3.2"]) == pins

    git(project, "commit", "--quiet", "--all", "--message=MariaDB")
    (project.path / "README.md").write_text("more\n")
    git(project, "commit", "--quiet", "--all", "--message=Work on it")
    assert packages.forgotten(project.path / LOCK, new, ["psycopg[binary,pool]>=3.2"]) == pins
    monkeypatch.setattr(
        "django_compose_stack.dependencies.write_locks", lambda: project.locked.append(project.read(LOCK))
    )
    command.drop("mariadb")
    assert project.locked[-2] == new + pins


def test_lock_is_as_it_was_where_the_packages_cannot_be_resolved(project, monkeypatch):
    command.add("mariadb")
    before = project.contents()
    monkeypatch.setattr(packages, "forgotten", lambda *args: "psycopg==3.1.0\n")

    def fail():
        raise SystemExit(2)

    monkeypatch.setattr("django_compose_stack.dependencies.write_locks", fail)
    with pytest.raises(SystemExit):
        command.drop("mariadb")

    assert project.contents() == before


@pytest.mark.parametrize("name", ["mariadb", "mysql"])
def test_compose_reads_what_was_written(project, name):
    """Of MySQL nothing can be run where there is no image of it; Compose at least takes its configuration."""
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("there is no Docker Compose here")
    from django_compose_stack.production import files

    command.add(name)
    files.bring()

    def config(*options):
        words = ["docker", "compose", *options, "--profile=*", "config", "--format=json"]
        done = subprocess.run(words, cwd=project.path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    found = config()
    image = {"mariadb": "mariadb:11.8", "mysql": "mysql:8.4"}[name]
    assert {found["services"][each]["image"] for each in ("db", "db-test")} == {image}
    assert found["services"]["web"]["environment"]["MYSQL_HOST"] == "db"
    assert found["configs"]["tests"]["content"] == "GRANT ALL ON `test\\_%`.* TO 'app'@'%';"
    assert list(found["volumes"]) == [f"{name}-data"]
    production = config("--file=compose.prod.yaml", "--file=compose.acme.yaml")
    assert production["services"]["db"]["image"] == image
    assert {secret["source"] for secret in production["services"]["web"]["secrets"]} >= {"mysql_password"}
    assert set(production["volumes"]) >= {name}


@pytest.mark.parametrize("name", ["backup", "backups", "restore", "restore-undo", "restore-forget", "db-password"])
def test_data_commands_of_native_mode_are_refused(project, monkeypatch, name):
    from django_compose_stack.data import commands

    monkeypatch.setattr(commands, "whole", lambda word: word)
    monkeypatch.setattr(commands, "mode", lambda: "native")
    command.add("mariadb")

    with pytest.raises(Failure, match="native mode starts no MariaDB, and the data commands know only"):
        commands.main(name, *(["x"] if name == "restore" else []))


def test_native_mode_says_that_it_starts_no_other_database(project, monkeypatch):
    from django_compose_stack.env import Env
    from django_compose_stack.native import commands

    command.add("mariadb")
    monkeypatch.delitem(Env.ENVIRON.env, "DATABASE_URL", raising=False)

    with pytest.raises(Failure, match=r"the project has MariaDB, and native mode starts no other database") as refused:
        commands.Variables().environment(None)
    assert "MYSQL_HOST=127.0.0.1" in refused.value.fix
    # To write locks, and so to remove the service, needs none.
    assert "DEVSERVER_REQUIREMENTS" in commands.Variables().environment(None, needs_database=False)
    monkeypatch.setitem(Env.ENVIRON.env, "MYSQL_HOST", "127.0.0.1")
    variables = commands.Variables()
    assert variables.elsewhere == "MYSQL_HOST"
    assert "DEVSERVER_REQUIREMENTS" in variables.environment(None)


@pytest.mark.parametrize("is_first", [False, True], ids=["production first", "database first"])
@pytest.mark.parametrize("name", ["mariadb", "mysql"])
def test_production_has_the_database_too(project, name, is_first):
    from django_compose_stack.production import files

    if not is_first:
        files.bring()
    command.add(name)
    command.add("worker")
    files.bring()

    compose = project.read("compose.prod.yaml") + project.read("compose.acme.yaml")
    assert "postgres" not in compose.lower()
    # The way back needs it.
    assert (project.path / "postgres/owner.sql").exists()
    environment = re.search(r"environment: &django\n((?:      \S.*\n)+)", compose)[1]
    assert re.findall(r"MYSQL_\w+", environment.replace("${MYSQL_", "")) == [
        *("MYSQL_DATABASE", "MYSQL_HOST", "MYSQL_PASSWORD_FILE", "MYSQL_PORT", "MYSQL_USER")
    ]
    assert f"constraints: [node.labels.{name} == here]" in compose


def test_watch_is_refused(project, capsys):
    from django_compose_stack import development

    command.add("mariadb")

    with pytest.raises(SystemExit):
        development.watch()

    assert (
        "watch is for Postgres, and this project has MariaDB. Run the tests with: make test" in capsys.readouterr().err
    )


def test_starter_of_this_repository_has_postgres(monkeypatch):
    monkeypatch.setattr(database, "ROOT", ROOT)

    assert database.chosen() == database.POSTGRES
