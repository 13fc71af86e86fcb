"""Services that are added to a project that runs, seen to work, and removed again without a trace."""

import pytest

from django_compose_stack.tests.stack.checkout import LONG, Repository, run, wait_for
from django_compose_stack.tests.stack.conftest import BESIDE, CONTAINERS


@pytest.fixture(scope="module")
def project(engine, tmp_path_factory):
    project = Repository(tmp_path_factory.mktemp("services"))
    project.make("up", timeout=LONG)
    yield project
    project.remove()


def test_valkey(project):
    """One cache for all processes, sessions that are read from it, and tests that do without it."""
    said = project.add("valkey")
    project.make("up", timeout=LONG)

    assert said.startswith("Added valkey: .env.example, compose.yaml, config/settings.py, pyproject.toml, the lock")
    project.shell("from django.core.cache import cache; cache.set('colour', 'green', 60)")
    assert project.shell("from django.core.cache import cache; print(cache.get('colour'))") == "green"
    assert "colour" in project.compose("exec", "-T", "valkey", "valkey-cli", "keys", "*").stdout
    made = "from django.test import Client; from apps.accounts.models import User; client = Client(); "
    made += "client.force_login(User.objects.create_user('ada')); print(client.cookies['sessionid'].value)"
    key = project.shell(made).splitlines()[-1]
    assert key in project.compose("exec", "-T", "valkey", "valkey-cli", "keys", "*").stdout
    project.compose("restart", "valkey")
    read = f"from django.contrib.sessions.backends import cached_db; print(len(cached_db.SessionStore({key!r}).load()))"
    assert int(project.shell(read)) > 0, "a restart of the cache has logged somebody out"
    assert project.make("doctor").stdout == "No problem found.\n"
    assert " passed" in project.make("test", "ARGS=-q apps/pages", timeout=LONG).stdout

    said = project.drop("valkey")

    assert said.startswith("Removed valkey: ")
    assert project.changes() == ""
    assert project.container("db")
    assert run("docker", "ps", "--all", "--quiet", f"--filter=name={project.name}-valkey").stdout == ""
    project.make("up", timeout=LONG)
    assert "PostgreSQL" in project.page()
    assert project.make("doctor").stdout == "No problem found.\n"


JOBS = """
import time
from pathlib import Path

from django.tasks import task

VERSION = 1


@task
def version():
    return VERSION


@task
def slow(name):
    Path(f"{name}.begun").touch()
    while not Path(f"{name}.end").exists():
        time.sleep(0.05)
    return VERSION
"""


class Tasks:
    """Tasks of a module of a project, which are put into the queue and asked for."""

    def __init__(self, project):
        self.project, self.path = project, project.path / "apps/accounts/tasks.py"

    def write(self, version):
        self.path.write_text(JOBS.replace("VERSION = 1", f"VERSION = {version}"))

    def begin(self, call, module="apps.accounts.tasks"):
        """Put a task into the queue, `slow.enqueue("a")`; return its id."""
        return self.project.shell(f"from {module} import *; print({call}.id)").splitlines()[-1]

    def ask(self, columns, pk):
        sql = f"SELECT {columns} FROM django_tasks_database_dbtaskresult WHERE id = '{pk}'"
        return self.project.compose("exec", "-T", "db", "psql", "-U", "app", "-Atc", sql).stdout.strip()

    def result(self, pk):
        """Return the value of a task that is successful, or the last line of its traceback, once it has ended."""
        ended = wait_for(lambda: self.ask("1", f"{pk}' AND finished_at IS NOT NULL --"), f"task {pk}")
        assert ended
        status, value, trace = self.ask("status, return_value, replace(traceback, chr(10), '~')", pk).split("|", 2)
        return value if status == "SUCCESSFUL" else trace.strip("~").rpartition("~")[2]

    def begun(self, name):
        path = self.project.path / f"{name}.begun"
        wait_for(path.exists, f"{name} to begin")
        path.unlink()

    def end(self, name):
        (self.project.path / f"{name}.end").touch()

    def clear(self):
        for path in (self.path, *self.project.path.glob("*.begun"), *self.project.path.glob("*.end")):
            path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def tasks(project):
    """The project with the worker, which the tests below share; the last of them removes it."""
    assert project.add("worker").startswith("Added worker: .env.example, apps/pages/tasks.py, compose.yaml, config/")
    tasks = Tasks(project)
    tasks.write(1)
    project.make("up", timeout=LONG)
    project.make("migrate")
    yield tasks
    tasks.clear()


def test_worker_runs_tasks_and_a_save_is_live_before_the_next(tasks):
    """What runs ends on the code that it began with, while newer code already runs the next task."""
    assert tasks.result(tasks.begin("version.enqueue()")) == "1"
    slow = tasks.begin('slow.enqueue("a")')
    tasks.begun("a")

    tasks.write(2)

    assert tasks.result(tasks.begin("version.enqueue()")) == "2"
    assert tasks.ask("status", slow) == "RUNNING"
    tasks.end("a")
    assert tasks.result(slow) == "1"


def test_broken_save_pauses_the_worker_and_says_so(tasks):
    tasks.path.write_text(JOBS + "def (\n")
    wait_for(lambda: "Fix it and save" in tasks.project.logs("worker"), "the error in the log")
    waiting = tasks.begin("count_notes.enqueue()", "apps.pages.tasks")
    assert "No worker is running, so the queue waits." in tasks.project.page("/_stack/")

    tasks.write(3)

    assert tasks.result(waiting) == "0"
    assert tasks.result(tasks.begin("version.enqueue()")) == "3"


def test_killed_worker_loses_no_task(tasks):
    slow = tasks.begin('slow.enqueue("b")')
    tasks.begun("b")
    run("docker", "kill", tasks.project.container("worker"))

    tasks.project.make("up", timeout=LONG)

    tasks.begun("b")
    assert tasks.ask("status, json_array_length(worker_ids::json)", slow) == "RUNNING|2"
    tasks.end("b")
    assert int(tasks.result(slow)) >= 1


def test_worker_leaves_no_trace(tasks):
    project = tasks.project
    tasks.clear()
    wait_for(lambda: project.inspect("worker", "{{.State.Health.Status}}") == "healthy", "the worker to be healthy", 60)
    assert project.make("doctor").stdout == "No problem found.\n"
    assert " passed" in project.make("test", "ARGS=-q apps/pages", timeout=LONG).stdout

    assert project.drop("worker").startswith("Removed worker: ")

    assert project.changes() == ""
    assert run("docker", "ps", "--all", "--quiet", f"--filter=name={project.name}-worker").stdout == ""
    project.make("up", timeout=LONG)
    assert project.make("doctor").stdout == "No problem found.\n"


def test_all_services_together(project):
    """They are removed in the order in which they came, not the reverse."""
    for name in BESIDE:
        project.add(name)
    project.make("up", timeout=LONG)
    project.make("migrate")

    assert project.make("doctor").stdout == "No problem found.\n"
    running = project.compose("ps", "--services").stdout.split()
    assert sorted(running) == sorted(["db", "web", *CONTAINERS])
    code = "from django.core.cache import cache; from apps.pages.tasks import count_notes; count_notes.enqueue()"
    project.shell(f"{code}; cache.set('colour', 'green')")
    assert "colour" in project.compose("exec", "-T", "valkey", "valkey-cli", "keys", "*").stdout
    for name in BESIDE:
        project.drop(name)
    assert project.changes() == ""
