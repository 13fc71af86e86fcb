"""Deploys on a bad night: an engine that answers oddly, two people at once, a release that must go."""

import os
import re
import ssl
import stat
import subprocess

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.prod.load import Load
from django_compose_stack.tests.prod.production import Production, running
from django_compose_stack.tests.stack.checkout import environment, run, wait_for

RENEWALS = int(os.environ.get("RENEWALS", "1"))
# Stands for docker: after `stack deploy` the first answers lack UpdateStatus, as the engine's do for a moment.
FORGETFUL = """#!{python}
import json, pathlib, subprocess, sys
words, left = sys.argv[1:], pathlib.Path(__file__).with_name("left")
if words[:2] != ["service", "inspect"]:
    status = subprocess.run(["{docker}", *words]).returncode
    if words[:2] == ["stack", "deploy"]:
        left.write_text("3")
    sys.exit(status)
done = subprocess.run(["{docker}", *words], stdout=subprocess.PIPE)
number = int(left.read_text()) if left.exists() else 0
if number and done.returncode == 0:
    services = json.loads(done.stdout)
    services[0].pop("UpdateStatus", None)
    left.write_text(str(number - 1))
    print(json.dumps(services))
else:
    sys.stdout.buffer.write(done.stdout)
sys.exit(done.returncode)
"""


@pytest.fixture(scope="module")
def quick(swarm, tmp_path_factory):
    """A stack of its own, whose releases are healthy in seconds."""
    with running(tmp_path_factory, "deploy", is_quick=True) as production:
        yield production


def docker_stand_in(folder, script):
    """Write a program that stands for docker, and return the PATH on which it is found first."""
    real = run("sh", "-c", "command -v docker").stdout.strip()
    path = folder / "docker"
    path.write_text(script.replace("{docker}", real).replace("{python}", os.path.realpath("/usr/bin/python3")))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:{os.environ['PATH']}"


def serving(production):
    [version] = re.findall(r"(\S+)  serves$", production.make("releases").stdout, re.M)
    return version


def change(production, mark):
    path = production.path / "apps/pages/__init__.py"
    path.write_text(f"# {mark}\n")


def migrate_tasks(production):
    return run("docker", "service", "ps", "--quiet", f"{production.name}_migrate").stdout.split()


def test_update_that_the_engine_does_not_name_yet_goes_on(quick, tmp_path):
    quick.make("deploy")
    before = serving(quick)
    change(quick, "absent status")

    done = quick.make("deploy", PATH=docker_stand_in(tmp_path, FORGETFUL))

    assert f"{serving(quick)} serves at" in done.stdout
    assert serving(quick) != before


def test_first_deploy_goes_on_where_the_engine_refuses_its_tasks_for_a_moment(swarm, tmp_path):
    """As it does where a new network has the addresses of one that is about to go: those of a job, and of a service."""
    late = tmp_path / "late"
    production = Production(tmp_path)
    production.make_quick()
    mount = f"      - {{type: bind, source: {late}, target: /late}}\n"
    production.replace("compose.prod.yaml", "    secrets: &secrets", f"{mount}    secrets: &secrets")
    production.replace("compose.prod.yaml", "      - media:/app/media\n", f"      - media:/app/media\n{mount}")
    try:
        first = subprocess.Popen(
            [*STACK, "deploy"], cwd=production.path, env=environment(**production.variables), stdout=subprocess.PIPE
        )
        states = ["docker", "stack", "ps", "--format={{.Name}} {{.CurrentState}}", production.name]

        def refused():
            return set(re.findall(rf"{production.name}_(\w+)\S* Rejected", run(*states, check=False).stdout))

        wait_for(lambda: refused() == {"migrate", "web"}, "a job and a service to be refused", timeout=300)

        late.mkdir()

        said, _ = first.communicate(timeout=300)
        assert first.returncode == 0
        assert f"{serving(production)} serves at" in said.decode()
        assert production.request("/").status == 200
    finally:
        late.mkdir(exist_ok=True)
        production.remove()


def test_second_deploy_at_once_is_refused_and_says_who_deploys(quick):
    change(quick, "two at once")
    first = subprocess.Popen(
        [*STACK, "deploy"], cwd=quick.path, env=environment(**quick.variables), stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: run("docker", "ps", "-q", f"--filter=name=^{quick.name}-lock$").stdout, "the lock")
        others = [quick.make(*words, check=False) for words in (["deploy"], ["rollback", "VERSION=x"])]
    finally:
        said, _ = first.communicate(timeout=300)

    for refused in others:
        assert refused.returncode != 0
        assert re.search(rf"`deploy` of {quick.name} runs, by \S+ since \d\d:\d\d:\d\d UTC", refused.stderr)
    assert first.returncode == 0
    assert f"{serving(quick)} serves at" in said


def test_lock_goes_with_its_holder(quick):
    holder = subprocess.Popen([*STACK, "deploy"], cwd=quick.path, env=environment(**quick.variables))
    listed = ["docker", "ps", "--all", "--quiet", f"--filter=name=^{quick.name}-lock$"]
    wait_for(lambda: run(*listed).stdout, "the lock")

    holder.kill()
    holder.wait()

    wait_for(lambda: not run(*listed).stdout, "the lock to go", timeout=20)
    quick.make("deploy")


def test_rollback_goes_one_version_further_each_time(quick):
    versions = [serving(quick)]
    for number in range(2):
        change(quick, f"rollback {number}")
        quick.make("deploy")
        versions.append(serving(quick))

    seen = []
    for _ in range(2):
        quick.make("rollback")
        seen.append(serving(quick))
    change(quick, "after the rollbacks")
    quick.make("deploy")
    quick.make("rollback")

    assert seen == [versions[1], versions[0]]
    # What was rolled back from is not what served before.
    assert serving(quick) == versions[0]


def test_deploy_migrates_once_and_rollback_never(quick):
    known = set(migrate_tasks(quick))
    change(quick, "migrations")
    quick.make("deploy")
    after = set(migrate_tasks(quick))
    quick.make("rollback")

    assert len(after - known) == 1
    assert set(migrate_tasks(quick)) - after == set()


def test_renewed_certificate_comes_without_a_failed_request(swarm, tmp_path_factory):
    """Nor does a changed site.conf fail one, nor a new name of the site. Former secrets and configs are gone."""
    with running(tmp_path_factory, "deploy", tls=True, is_quick=True) as production:
        before = production.exec("nginx", "cat", "/proc/1/stat").split()[21]
        production.replace(
            "nginx/site.conf", "location = /readyz {\n    return 404;", "location = /readyz {\n    return 410;"
        )

        with Load(production, tls=True) as load:
            wait_for(lambda: len(load.acknowledged) > 20, "some notes")
            for _ in range(RENEWALS):
                old = ssl.get_server_certificate(("127.0.0.1", int(production.variables["HTTPS_PORT"])))
                (production.path / "secrets/tls_key").unlink()
                production.add_certificate()
                production.make("deploy", ALLOWED_HOSTS="localhost,127.0.0.1,www.localhost")
            print(f"\n{RENEWALS} renewals, {sum(load.answers.values())} requests")
            wait_for(lambda: production.request("/readyz", tls=True).status == 410, "the change")
            assert production.request(host="www.localhost").status == 308
            seen = len(load.acknowledged)
            wait_for(lambda: len(load.acknowledged) > seen + 20, "notes under the new one")

        assert load.failed == {}
        assert ssl.get_server_certificate(("127.0.0.1", int(production.variables["HTTPS_PORT"]))) != old
        assert production.exec("nginx", "cat", "/proc/1/stat").split()[21] == before
        assert production.exec("nginx", "sh", "-c", "stat -c %a%U /etc/nginx/live/current/tls_key") == "600nginx\n"
        label = f"--filter=label=com.docker.stack.namespace={production.name}"
        assert [len(run("docker", kind, "ls", "-q", label).stdout.split()) for kind in ("secret", "config")] == [6, 7]


def test_rehearsal_over_a_stack_and_a_stack_over_a_rehearsal_are_refused(quick, tmp_path_factory):
    refused = quick.make("prod-up", check=False)

    assert refused.returncode != 0
    assert f"{quick.name} runs as a stack" in refused.stderr
    with running(tmp_path_factory, "prod-up") as rehearsal:
        refused = rehearsal.make("deploy", check=False)
        assert f"{rehearsal.name} runs as a rehearsal" in refused.stderr
        assert "Fix: make prod-down" in refused.stderr
