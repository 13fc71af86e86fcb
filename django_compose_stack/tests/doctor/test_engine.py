"""States of an engine, each broken in one place: the finding and its fix."""

import json
import os
import subprocess
import sys

import pytest

from django_compose_stack.doctor.stack import Stack
from django_compose_stack.tests.doctor.conftest import container

READS = {"info", "compose version", "compose --profile", "compose config", "ps", "inspect", "image inspect"}
READS |= {"volume inspect", "network inspect", "run --rm", "exec --interactive", "logs"}


def test_healthy_stack_has_no_findings(doctor):
    assert doctor.findings() == {}


def test_stack_that_is_not_up_has_no_findings(doctor):
    doctor.state["containers"] = []
    doctor.state["images"] = {"postgres:18": doctor.state["images"]["postgres:18"], "python:3.12-slim": {}}
    doctor.state["volumes"] = doctor.state["networks"] = {}

    assert doctor.findings() == {}


def test_stopped_stack_has_no_findings(doctor):
    for one in doctor.state["containers"]:
        one["State"] = {"Status": "exited", "ExitCode": 137, "OOMKilled": False}

    assert doctor.findings() == {}


# What is changed in the state; the finding; words of its problem; words of its fix.
BROKEN = [
    ({"info": None}, "no-engine", "Cannot connect to the Docker daemon", "systemctl start docker"),
    ({"info": None, "error": "permission denied at the socket"}, "no-engine", "permission", "usermod -aG docker"),
    ({"info.ServerVersion": "24.0.7"}, "old-engine", "is 24.0.7, older than 25.0", "Update Docker"),
    ({"compose": None}, "no-compose", "no Compose plugin", "apt install docker-compose-plugin"),
    ({"compose": "2.17.2"}, "old-compose", "is 2.17.2, older than 2.23", "--only-upgrade"),
    ({"info.SystemTime": "2020-01-01T00:00:00Z"}, "clock-skew", "behind this machine's", "wsl --shutdown"),
    ({"info.SystemTime": "2090-01-01T00:00:00+01:00"}, "clock-skew", "ahead of this", "set-ntp"),
    ({"images.app-web.Architecture": "arm64"}, "architecture", "is for arm64", "docker compose build --pull web"),
    ({"images.postgres:18.Architecture": "arm64"}, "architecture", "postgres:18 of db", "docker compose pull db"),
    ({"info.HttpProxy": "http://me:pw@127.0.0.1:1"}, "proxy-engine", "***@127.0.0.1:1 does not", "Proxies"),
    (
        {"info.SecurityOptions": ["name=userns"]},
        "userns-remap",
        "users of containers to other users",
        "userns_mode: host",
    ),
    ({"config": {}, "error": "invalid hostPort: x"}, "configuration", "invalid hostPort: x", "config --quiet"),
    ({"images": {}}, "image", "cannot pull it: dial tcp", "make up MODE=native"),
    ({"probe.file": "unseen"}, "mount-elsewhere", "does not see the files", "docker context use default"),
    ({"probe.file": "denied"}, "mount-denied", "not allowed to read", "chcon"),
    ({"probe.error": "No space left on device"}, "inotify", "No space left", "sysctl fs.inotify"),
    ({"probe.event": False, "probe.system": "9p"}, "file-events", "file system 9p", "to WSL"),
    ({"probe.free": 10_000_000}, "engine-disk-full", "10 MB free", "docker system df"),
    ({"containers.0.State.OOMKilled": True}, "memory", "db was killed", "Resources"),
    ({"containers.1.State.Health.Status": "unhealthy"}, "container", "web is unhealthy. Last log lines:", "logs web"),
    (
        {"containers.0.State.Status": "exited", "containers.0.State.ExitCode": 1},
        "container",
        "db is exited with status 1. Last log lines:\n    the last lines",
        "docker compose logs db",
    ),
    ({"names": []}, "names", "web does not find db", "docker compose restart db web"),
    ({"hash": "def"}, "container-settings", "db, web runs with outdated settings", "make up"),
    ({"run.cat": "django==5.0\n"}, "image-requirements", "is outdated: dev.txt has changed", "docker compose build"),
    (
        {"config.services.web.build.args.PYTHON_VERSION": "3.13"},
        "image-python",
        "has Python 3.12.11, but PYTHON_VERSION is 3.13",
        "docker compose build",
    ),
    (
        {"run.sh": "17 ./PG_VERSION\n"},
        "data-version",
        "data of Postgres 17, but compose",
        "POSTGRES_VERSION=17 in .env",
    ),
    ({"run.sh": "17 ./17/docker/PG_VERSION\n"}, "data-version", "data of Postgres 17", "POSTGRES_VERSION=17 in .env"),
    ({"socket": 'FATAL:  role "app" does not exist'}, "database-role", "no role app", "Restore the old name"),
    ({"socket": 'database "app" does not exist'}, "database-name", "no database app", "createdb -U app app"),
    (
        {"login": 'FATAL:  password authentication failed for user "app"'},
        "database-password",
        "refuses the password of app in .env",
        "make doctor FIX=1",
    ),
]


def change(state, path, value):
    *way, last = path.split(".")
    for step in way:
        state = state[int(step) if step.isdigit() else step]
    state[last] = value


@pytest.mark.parametrize(("changes", "check", "problem", "fix"), BROKEN)
def test_broken_engine_is_found(doctor, changes, check, problem, fix):
    for path, value in changes.items():
        change(doctor.state, path, value)

    found = doctor.findings()

    assert list(found) == [check]
    assert problem in found[check].problem
    assert fix in found[check].fix


def test_platform_of_another_machine_is_found(doctor):
    found = doctor.findings(DOCKER_DEFAULT_PLATFORM="linux/arm64")["platform"]

    assert found.problem == "DOCKER_DEFAULT_PLATFORM is linux/arm64, this engine runs amd64"
    assert found.fix == "unset DOCKER_DEFAULT_PLATFORM, then: docker compose build --pull"


def test_docker_that_is_wanted_and_not_there_is_found(bare):
    found = bare.findings(MODE="docker")["no-docker"]

    assert found.problem == "there is no docker command"
    assert found.fix == "Install Docker, or run without Docker: make up MODE=native"


def test_stray_server_of_the_checkout_keeps_the_port_from_docker(doctor):
    script = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    command = [sys.executable, "-c", f"{script}; sys.stdin.read()"]
    process = subprocess.Popen(command, cwd=doctor.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().strip()
        doctor.state["config"]["services"]["web"]["ports"][0]["published"] = port
        doctor.state["containers"] = []
        found = doctor.findings()
    finally:
        process.communicate()

    assert list(found) == ["port"]
    assert found["port"].problem.startswith(f"port {port} of 127.0.0.1 is taken by ")


def test_engine_that_is_down_is_found_although_make_would_run_without_docker(doctor):
    """The mode is then native, as for make: the doctor looks at that mode's port, and says what Docker lacks."""
    doctor.state["info"] = None
    doctor.state["containers"] = []

    unset, asked = doctor.findings()["no-engine"], doctor.findings(MODE="docker")["no-engine"]

    assert doctor.stack({}).mode == "native"
    assert unset.reason.startswith("Without an engine, make up runs the stack without Docker")
    assert asked.reason == "Nothing can be built or started."
    assert doctor.findings(MODE="native") == {}


def test_engine_that_docker_host_names_is_named(doctor):
    doctor.state["info"] = None

    found = doctor.findings(DOCKER_HOST="tcp://192.0.2.1:2375")

    assert "unset DOCKER_HOST, which is tcp://192.0.2.1:2375" in found["no-engine"].fix


@pytest.mark.parametrize(
    ("proxies", "checks"),
    [
        ({"httpProxy": "http://proxy:3128"}, ["proxy-health"]),
        ({"httpProxy": "http://localhost:3128", "noProxy": "127.0.0.1"}, ["proxy-loopback"]),
        ({"httpProxy": "http://proxy:3128", "noProxy": "localhost,127.0.0.1,db"}, []),
    ],
)
def test_proxy_that_containers_get_is_judged(doctor, tmp_path, proxies, checks):
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": proxies}}))

    assert list(doctor.findings(DOCKER_CONFIG=str(tmp_path))) == checks


def test_rootless_engine_wants_the_folder_to_be_its_users(doctor):
    doctor.state["info"]["SecurityOptions"] = ["name=rootless"]
    assert doctor.findings() == {}

    if os.geteuid():
        pytest.skip("only root can give a folder away")
    for path in (doctor.root, *doctor.root.rglob("*")):
        os.chown(path, 4321, 4321)
    found = doctor.findings()["rootless-owner"]

    assert found.problem == "the engine runs as you (uid 0), this folder belongs to uid 4321"
    assert found.fix.startswith("sudo chown -R 0:0 ")


def test_container_of_a_namesake_is_named_and_nothing_of_it_is_touched(doctor, tmp_path):
    other = tmp_path / "elsewhere" / "app"
    other.mkdir(parents=True)
    doctor.state["containers"] = [
        container("db", other, state={"Status": "exited", "ExitCode": 1}),
        container("old", other, state={"Status": "exited"}),
    ]

    found = doctor.findings()
    fixed = doctor.fix()

    assert list(found) == ["namesake"]
    assert f"project app has containers of {other}" in found["namesake"].problem
    assert "COMPOSE_PROJECT_NAME=app-2 in .env" in found["namesake"].fix
    assert fixed == []
    assert len(doctor.state["containers"]) == 2


def test_containers_of_a_folder_that_is_gone(doctor):
    doctor.state["containers"] = [container("db", "/gone/app")]

    assert "a folder that no longer exists" in doctor.findings()["namesake"].problem


def test_leftover_containers_are_found_and_running_ones_are_left_alone(doctor):
    doctor.state["containers"] += [
        container("web", doctor.root, Id="run-1", Name="/app-web-run-1", state={"Status": "exited"})
        | {"Config": {"Labels": container("web", doctor.root)["Config"]["Labels"] | one_off()}},
        container("worker", doctor.root, state={"Status": "exited"}),
        container("mailer", doctor.root),
    ]

    found = doctor.findings()

    assert list(found) == ["leftover"]
    assert found["leftover"].problem == "stopped containers are left over: app-web-run-1, app-worker-1"
    assert found["leftover"].fix == "docker rm app-web-run-1 app-worker-1"


def one_off():
    return {"com.docker.compose.oneoff": "True"}


def leave(state):
    state["containers"].append(container("worker", state["containers"][0]["Config"]["Labels"][WORKING], state=EXITED))


WORKING = "com.docker.compose.project.working_dir"
EXITED = {"Status": "exited"}


@pytest.mark.parametrize(
    ("changes", "did"),
    [
        ({"run.cat": "django==5.0\n"}, "built app-web and restarted the services"),
        ({"socket": 'database "app" does not exist'}, "created the database app, empty"),
        ({"login": "password authentication failed"}, "set the password of role app to that of .env"),
        ({"names": []}, "restarted db and web"),
        (leave, "removed app-worker-1"),
    ],
)
def test_fix_repairs_the_engines_side_and_the_next_run_is_clean(doctor, changes, did):
    if callable(changes):
        changes(doctor.state)
    else:
        for path, value in changes.items():
            change(doctor.state, path, value)

    assert len(doctor.findings()) == 1
    assert doctor.fix() == [did]
    assert doctor.findings() == {}


def test_fix_that_fails_is_reported_and_the_finding_stays(doctor, capsys):
    doctor.state |= {"socket": 'database "app" does not exist', "repairs": False}

    assert doctor.fix() == []
    assert capsys.readouterr().err == 'Could not fix database-name: database "app" does not exist\n'


def test_without_fix_nothing_is_changed(doctor):
    """Each command that the doctor gives to the engine while it only looks is one that reads."""
    doctor.state["run"]["cat"] = "django==5.0\n"
    doctor.state["login"] = "password authentication failed"
    doctor.findings()

    queries = [command for command in doctor.commands if " psql " in command and "--command SELECT " in command]
    verbs = {" ".join(command.split()[:2]) for command in doctor.commands if command not in queries}
    assert {verb for verb in verbs if not {verb, verb.split()[0]} & READS} == set()
    assert any("psql" in command for command in doctor.commands)


def test_engine_that_hangs_is_one_that_does_not_answer(bare, monkeypatch):
    docker = bare.root.parent / "programs" / "docker"
    # Not the path of this Python: the kernel ends it at its first space.
    docker.write_text("#!/usr/bin/env python3\nimport time; time.sleep(20)\n")
    docker.chmod(0o755)
    monkeypatch.setattr(Stack.run, "__kwdefaults__", {"timeout": 0.2})

    assert "timed out after 0.2 seconds" in bare.findings()["no-engine"].problem
