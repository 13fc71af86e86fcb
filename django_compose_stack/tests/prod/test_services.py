"""The worker, Valkey and uWSGI in a stack, added before production was brought up for the first time."""

import json
import re
import sys

import pytest

from django_compose_stack.tests import ROOT
from django_compose_stack.tests.prod.load import Load
from django_compose_stack.tests.prod.production import running
from django_compose_stack.tests.stack.checkout import run, wait_for

SERVICES = ("worker", "valkey", "uwsgi")
JOBS = """
import socket
import time

from django.core.cache import cache
from django.tasks import task


@task
def slow(name):
    cache.set(f"{name}-times", cache.get(f"{name}-times", 0) + 1, None)
    cache.set(f"{name}-where", socket.gethostname(), None)
    while not cache.get(f"{name}-end"):
        time.sleep(0.05)
    return name
"""
# Locks the packages once and here, not in a container of development, which would be built three times for it.
ADD = """
import sys
sys.argv[0] = ".stack"
from django_compose_stack import dependencies
from django_compose_stack.services import command
dependencies.write_locks = dependencies.install = lambda: None
for name in sys.argv[1:]:
    command.add(name)
dependencies.write()
"""


def prepare(production):
    production.bring_files()
    production.run(sys.executable, "-c", ADD, *SERVICES, PYTHONPATH=str(ROOT))
    (production.path / "apps/pages/jobs.py").write_text(JOBS)
    production.variables["WORKER_REPLICAS"] = "2"


@pytest.fixture(scope="module")
def stack(swarm, tmp_path_factory):
    with running(tmp_path_factory, "deploy", is_quick=True, prepare=prepare) as production:
        yield production


@pytest.fixture
def tasks(stack):
    return Tasks(stack)


class Tasks:
    """Tasks that run until they are told to end."""

    def __init__(self, stack):
        self.stack = stack

    def shell(self, code):
        text = self.stack.manage("shell", "--no-imports", "-c", f"from django.core.cache import cache; {code}")
        return text.strip().splitlines()[-1]

    def begin(self, name):
        """Put a task into the queue and wait until it runs; return its id and the container that runs it."""
        pk = self.shell(f"from apps.pages.jobs import slow; print(slow.enqueue({name!r}).id)")
        return pk, self.runs(name, 1)

    def runs(self, name, times):
        """Wait until a task has begun so often, and return the container that runs it."""
        self.value(f"{name}-times", str(times))
        return self.value(f"{name}-where")

    def value(self, key, wanted=None):
        """Return what is in the cache, as text, once it is what it should be."""

        def found():
            text = self.shell(f"print(cache.get({key!r}))")
            return text if text == wanted or (wanted is None and text != "None") else ""

        return wait_for(found, f"{key} in the cache", 90)

    def end(self, name):
        self.shell(f"print(cache.set('{name}-end', 1))")

    def state(self, pk):
        columns = "status, json_array_length(worker_ids::json)"
        return self.stack.sql(f"SELECT {columns} FROM django_tasks_database_dbtaskresult WHERE id = '{pk}'")


def serving(stack):
    [version] = re.findall(r"(\S+)  serves$", stack.make("releases").stdout, re.M)
    return version


def image(stack, service):
    return run(
        "docker", "service", "inspect", "--format={{.Spec.TaskTemplate.ContainerSpec.Image}}", f"{stack.name}_{service}"
    ).stdout.strip()


def test_status_counts_them(stack):
    told = json.loads(stack.make("status", "MODE=production", "JSON=1", check=False).stdout)

    assert list(told["services"]) == ["db", "web", "nginx", "valkey", "worker"]
    assert told["services"]["worker"] == {"running": 2, "wanted": 2}
    assert told["services"]["valkey"] == {"running": 1, "wanted": 1}


def test_uwsgi_serves_and_its_log_is_json(stack):
    answer = stack.request('/?quote="\\')

    assert answer.status == 200
    # -s: a process may end meanwhile.
    assert stack.exec("web", "sh", "-c", "grep -ls pyuwsgi /proc/[0-9]*/maps || true") != ""

    def logged():
        done = run("docker", "service", "logs", "--raw", f"{stack.name}_web")
        entries = [json.loads(line) for line in (done.stdout + done.stderr).splitlines() if line.startswith("{")]
        return [entry for entry in entries if entry["id"] == answer.headers["x-request-id"]]

    [entry] = wait_for(logged, "the line in the log")
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", '/?quote="\\', 200)
    assert entry["client"] not in (None, "127.0.0.1")


def test_buttons_of_the_dashboard_are_for_development_alone(stack):
    for path in ("/_stack/", "/_stack/tasks/"):
        assert stack.request(path).status == 404
        assert stack.request(path, "POST").status in (403, 404)


def test_task_of_a_killed_worker_runs_in_another_one(stack, tasks):
    pk, where = tasks.begin("killed")
    run("docker", "kill", where)

    assert tasks.runs("killed", 2) != where
    tasks.end("killed")

    wait_for(lambda: tasks.state(pk) == "SUCCESSFUL|2", "the task to end")


def test_deploy_fails_no_request_and_lets_the_task_end(stack, tasks):
    pk, where = tasks.begin("deployed")
    before = serving(stack)
    with Load(stack) as load:
        stack.give_style("of the second release")
        stack.make("deploy")
        wait_for(lambda: "gracefully" in logs(where), "the old worker to be told to stop", 60)

    assert load.failed == {}
    assert serving(stack) != before
    assert image(stack, "worker") == image(stack, "web")
    assert tasks.state(pk) == "RUNNING|1"
    tasks.end("deployed")
    wait_for(lambda: tasks.state(pk) == "SUCCESSFUL|1", "the task to end where it began")


def logs(container):
    done = run("docker", "logs", container, check=False)
    return done.stdout + done.stderr


def test_worker_that_does_not_start_takes_the_release_back(stack):
    before, page = serving(stack), stack.request("/").body
    stack.give_style("of a release whose worker does not start")
    stack.replace("compose.prod.yaml", "manage.py, worker,", "manage.py, worke,")
    try:
        with Load(stack) as load:
            refused = stack.make("deploy", check=False)
    finally:
        stack.replace("compose.prod.yaml", "manage.py, worke,", "manage.py, worker,")

    assert refused.returncode != 0
    assert "worker of" in refused.stderr
    assert "Unknown command: 'worke'" in refused.stderr
    assert f"{before} is what web serves" in refused.stderr
    assert load.failed == {}
    assert serving(stack) == before
    assert image(stack, "worker") == image(stack, "web")
    assert stack.request("/").body.count(".css") == page.count(".css")
    status = json.loads(stack.make("status", "MODE=production", "JSON=1", check=False).stdout)
    assert status["services"]["worker"] == {"running": 2, "wanted": 2}
