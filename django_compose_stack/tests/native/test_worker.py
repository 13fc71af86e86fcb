"""The worker without Docker: a project with `add --service worker`, its tasks, saves and kills."""

import os
import re
import signal
import subprocess
import time
import urllib.request

import pytest

from .conftest import new_checkouts

ADD_TIMEOUT = 600  # seconds; the packages are locked
JOBS = """
import time
from pathlib import Path

from django.tasks import task

VERSION = 0


@task
def version():
    return VERSION


@task
def fail():
    raise ValueError("out of paper")


@task
def slow():
    Path("begun").touch()
    while not Path("end").exists():
        time.sleep(0.02)
    return VERSION
"""
# In a process that is no part of the server: saves the module, and at once puts a task into the queue.
SAVES = """
import time
from pathlib import Path
from apps.pages.jobs import version
path, values = Path("apps/pages/jobs.py"), []
text = path.read_text()
for number in range(1, 13):
    path.write_text(text.replace("VERSION = 0", f"VERSION = {number}"))
    result = version.enqueue()
    deadline = time.monotonic() + 60
    while not result.is_finished and time.monotonic() < deadline:
        time.sleep(0.005)
        result.refresh()
    values.append(result.return_value)
path.write_text(text)
print(values)
"""
WAIT = """
import time
from pathlib import Path
deadline = time.monotonic() + 60
while not Path("begun").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
print(Path("begun").exists())
Path("begun").unlink(missing_ok=True)
"""
LAST = "SELECT status, return_value, json_array_length(worker_ids::json) FROM django_tasks_database_dbtaskresult"
LAST += " ORDER BY enqueued_at DESC LIMIT 2"


class Project:
    def __init__(self, checkout):
        self.native, self.path = checkout, checkout.path

    def shell(self, code):
        return self.native("python", "manage.py", "shell", "--no-imports", "-c", code).stdout.strip()

    def until(self, condition):
        """Return what the condition returns, once that is true or a minute has passed."""
        deadline = time.monotonic() + 60
        while not (result := condition()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return result

    def worker(self):
        """Return the process id of the worker."""
        return int(self.native.read(".native/worker"))


@pytest.fixture(scope="module")
def project(toolbox):
    with new_checkouts(toolbox) as make:
        checkout = make()
        command = ["python3", "-IS", checkout.path / ".stack", "add", "--service", "worker"]
        environment = checkout.environment | {"MODE": "native"}
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=ADD_TIMEOUT)
        (checkout.path / "apps/pages/jobs.py").write_text(JOBS)
        checkout("up")
        checkout("python", "manage.py", "migrate")
        yield Project(checkout)
        checkout("down")


def test_up_starts_the_worker_and_ps_shows_it(project):
    assert re.search(r"^worker +running +process \d+$", project.native("ps").stdout, re.M)
    assert project.until(lambda: "Running tasks as they come." in project.native("logs", "worker").stdout)


def test_no_task_runs_on_code_that_is_older_than_the_last_save(project):
    assert project.shell(SAVES).splitlines()[-1] == str(list(range(1, 13)))


def test_running_task_ends_on_its_own_code_and_a_killed_worker_loses_none(project):
    project.shell("from apps.pages.jobs import slow; slow.enqueue()")
    assert project.shell(WAIT) == "True"
    # All processes of it, as a power cut would.
    os.killpg(project.worker(), signal.SIGKILL)

    project.native("up")

    assert project.shell(WAIT) == "True", "the task did not begin again"
    text = project.native.read("apps/pages/jobs.py")
    (project.path / "apps/pages/jobs.py").write_text(text.replace("VERSION = 0", "VERSION = 7"))
    assert project.shell("from apps.pages.jobs import version; print(version.enqueue().status)") == "READY"
    (project.path / "end").touch()
    assert project.until(lambda: project.native.query(LAST) == "SUCCESSFUL|7|1\nSUCCESSFUL|0|2"), project.native.query(
        LAST
    )


def test_queue_waits_where_the_module_of_a_task_is_broken(project):
    """It is no module that is loaded with the project, so only the task itself finds out."""
    path = project.path / "apps/pages/jobs.py"
    text = path.read_text()
    project.shell(
        "from apps.pages.jobs import version; from pathlib import Path; path = Path('apps/pages/jobs.py'); "
        "path.write_text(path.read_text() + 'def (\\n'); version.enqueue()"
    )
    assert project.until(lambda: "The queue waits. Fix it and save." in project.native.read(".native/worker.log"))
    assert project.native.query(LAST).startswith("READY||0\n")
    assert "SyntaxError" in project.native.read(".native/worker.log")

    path.write_text(text)

    assert project.until(lambda: project.native.query(LAST).startswith("SUCCESSFUL|7|1\n")), project.native.query(LAST)


def test_dashboard_shows_a_failed_task_and_runs_it_again(project):
    site = f"http://127.0.0.1:{project.native.port}"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    failed = project.shell("from apps.pages.jobs import fail; print(fail.enqueue().id)").splitlines()[-1]
    assert project.until(lambda: project.native.query(LAST).startswith("FAILED|"))
    first = project.native.query(f"SELECT finished_at FROM django_tasks_database_dbtaskresult WHERE id = '{failed}'")

    page = project.until(lambda: shown(browser, f"{site}/_stack/"))

    assert "1 worker running." in page
    assert "<summary>ValueError: out of paper</summary>" in page
    assert "in fail\n" in page
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    form = urllib.request.Request(f"{site}/_stack/tasks/{failed}/retry/", f"csrfmiddlewaretoken={token}".encode())
    form.add_header("Origin", site)
    assert browser.open(form, timeout=30).status == 200
    again = f"SELECT status FROM django_tasks_database_dbtaskresult WHERE finished_at > '{first}' AND id = '{failed}'"
    assert project.until(lambda: project.native.query(again)) == "FAILED"


def shown(browser, url):
    """Return the dashboard; empty while the database needs too long to answer it, as on a busy machine."""
    page = browser.open(url, timeout=30).read().decode()
    return page if 'id="tasks"' in page else ""


def test_stop_ends_the_worker_alone(project):
    project.native("stop", "worker")

    assert re.search(r"^worker +stopped", project.native("ps").stdout, re.M)
    assert re.search(r"^web +running", project.native("ps").stdout, re.M)
    project.native("up")
    assert re.search(r"^worker +running", project.native("ps").stdout, re.M)


def test_worker_of_production_ends_with_the_task_it_has(project):
    """The same command while DEBUG is off, as compose.prod.yaml has it."""
    project.native("stop", "worker")
    (project.path / "end").unlink(missing_ok=True)
    alive = project.path / "alive"
    variables = {"DEBUG": "false", "SECRET_KEY": "x" * 50, "ALLOWED_HOSTS": "localhost"}
    with project.native.popen("python", "manage.py", "worker", f"--alive={alive}", env=variables) as worker:
        try:
            project.shell("from apps.pages.jobs import slow; slow.enqueue()")
            assert project.shell(WAIT) == "True"
            assert alive.exists()
            worker.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                worker.wait(timeout=1)
            (project.path / "end").touch()
            assert worker.wait(timeout=30) == 0
        finally:
            worker.kill()
    assert project.native.query(LAST).startswith("SUCCESSFUL|7|1\n")
