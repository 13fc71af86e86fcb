import re
import shutil
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from django_compose_stack.doctor import mounts, versions
from django_compose_stack.doctor.command import examine, fix
from django_compose_stack.doctor.stack import Stack
from django_compose_stack.tests import ROOT
from django_compose_stack.tests.doctor.fake_engine import FakeStack

FILES = [
    ".env.example",
    "compose.yaml",
    "Dockerfile",
    "manage.py",
    "config",
    "requirements",
    ".stack",
    "django_compose_stack",
]
TIMEOUT = 60  # seconds


def oldest_python():
    """Return the oldest Python that the doctor is for, where there is one; else this one."""
    for path in [shutil.which("python3.9"), *Path.home().glob(".pyenv/versions/3.9.*/bin/python")]:
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return str(path)
    return sys.executable


PYTHON = oldest_python()


class Doctor:
    """Examines one checkout, in this process; run() starts the command itself."""

    def __init__(self, root, environment):
        self.root = root
        self.environment = environment

    def stack(self, variables):
        return Stack(self.root, {**self.environment, **variables})

    def findings(self, **variables):
        """Return the findings by their check's name."""
        found = examine(self.stack(variables))
        assert all(one.problem and one.reason and one.fix for one in found)
        return {one.check: one for one in found}

    def fix(self, **variables):
        """Fix what can be fixed, and return what was done."""
        return fix(examine(self.stack(variables)))

    def run(self, *options, **variables):
        return subprocess.run(
            [PYTHON, "-IS", ".stack", "doctor", *options],
            cwd=self.root,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )


class DoctorWithEngine(Doctor):
    """A doctor whose engine is pretended: `state` says what it answers, healthy until a test changes it."""

    def __init__(self, root, environment, state):
        super().__init__(root, environment)
        self.state = state
        self.commands = []

    def stack(self, variables):
        return FakeStack(self.root, {**self.environment, **variables}, self.state, self.commands)


@pytest.fixture(autouse=True)
def long_before_any_end_of_life(monkeypatch):
    monkeypatch.setattr(versions, "today", lambda: date(2026, 1, 1))


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "app"
    root.mkdir()
    for name in FILES:
        copy_one = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy_one(ROOT / name, root / name)
    # The developer's own server may hold the usual port while these tests run.
    manual = root / ".env.example"
    manual.write_text(re.sub(r"^WEB_PORT=.*$", f"WEB_PORT={free_port()}", manual.read_text(), flags=re.MULTILINE))
    return root


@pytest.fixture
def bare(checkout, tmp_path):
    """A doctor on a machine that has a Python and git, and no Docker."""
    return Doctor(checkout, environment(tmp_path))


@pytest.fixture
def doctor(checkout, tmp_path, monkeypatch):
    """A doctor on a machine with a healthy engine, where the stack runs."""
    doctor = DoctorWithEngine(checkout, environment(tmp_path), healthy(checkout, free_port()))
    monkeypatch.setattr(mounts, "probe", lambda stack: doctor.state["probe"])
    return doctor


def environment(home):
    """Return an environment with few programs in its PATH, no docker among them."""
    programs = home / "programs"
    programs.mkdir()
    for name in ("git", "env", "ss", "lsof"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    (programs / "python3").symlink_to(sys.executable)
    return {"PATH": str(programs), "HOME": str(home)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_env(doctor, text):
    (doctor.root / ".env").write_text(text)


def example(doctor, **changes):
    """Return .env.example with some values changed, as a careful developer's .env."""
    changes = {"WEB_PORT": free_port(), **changes}
    lines = (doctor.root / ".env.example").read_text().splitlines()
    return "\n".join(
        f"{name}={changes[name]}" if (name := line.partition("=")[0]) in changes else line for line in lines
    )


def container(service, root, **changes):
    """Return what `docker inspect` says of a healthy container, as far as the doctor reads it."""
    labels = {
        "com.docker.compose.project": "app",
        "com.docker.compose.service": service,
        "com.docker.compose.project.working_dir": str(root),
        "com.docker.compose.config-hash": "abc",
        "com.docker.compose.oneoff": "False",
    }
    state = {"Status": "running", "ExitCode": 0, "OOMKilled": False, "Health": {"Status": "healthy"}}
    return {
        "Id": f"id-{service}",
        "Name": f"/app-{service}-1",
        "Config": {"Labels": {**labels, **changes.pop("labels", {})}},
        "State": {**state, **changes.pop("state", {})},
        **changes,
    }


def healthy(root, port):
    lock = (root / "requirements/dev.txt").read_text()
    web = {
        "build": {"target": "dev", "args": {"PYTHON_VERSION": "3.12"}},
        "environment": {"POSTGRES_USER": "app", "POSTGRES_DB": "app", "POSTGRES_PASSWORD": "app"},
        "ports": [{"host_ip": "127.0.0.1", "published": str(port), "target": 8000}],
    }
    db = {"image": "postgres:18", "ports": [{"host_ip": "127.0.0.1", "target": 5432}]}
    image = {"Architecture": "amd64", "Config": {"Env": ["PATH=/bin", "PYTHON_VERSION=3.12.11"]}}
    return {
        "error": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
        "info": {
            "ServerVersion": "28.5.2",
            "Architecture": "x86_64",
            "SecurityOptions": ["name=seccomp,profile=builtin"],
            "HttpProxy": "",
            "HttpsProxy": "",
            "DockerRootDir": "/nowhere",
        },
        "compose": "2.40.3",
        "hash": "abc",
        "config": {
            "name": "app",
            "services": {"db": db, "web": web},
            "volumes": {"db-data": {"name": "app_db-data"}},
        },
        "containers": [container("db", root), container("web", root)],
        "images": {"app-web": image, "postgres:18": {**image}},
        "volumes": {"app_db-data": {}},
        "networks": {"app_default": {"IPAM": {"Config": [{"Subnet": "172.30.0.0/16"}]}}},
        "names": ["db", "web"],
        "socket": "",
        "login": "",
        "repairs": True,
        "run": {"cat": lock, "sh": "18 ./18/docker/PG_VERSION\n"},
        "probe": {"file": "seen", "event": True, "error": "", "system": "ext4", "free": 50_000_000_000},
    }
