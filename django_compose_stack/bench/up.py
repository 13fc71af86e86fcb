#!/usr/bin/env python3
"""up [ROUNDS]: times `docker compose up` to the first page, and `stop`, of this stack and a naive one, in turn.

The naive stack is what tutorials show: a plain Dockerfile, a `pg_isready` health check every five seconds, `migrate`
and `runserver` behind `sh -c`, and what `django-admin startproject` makes, with a page that asks the database.
Images are built before the clock starts. Needs a Docker engine; standard library only.
"""

import contextlib
import math
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
TIMEOUT = 300  # seconds, for a command and for a page
POLL = 0.01  # seconds
COMMANDS = ["page, fresh volume", "page, second time", "stop"]

DOCKERFILE = """\
FROM python:3.12-slim
WORKDIR /app
COPY requirements.txt requirements.txt
RUN pip3 install -r requirements.txt
COPY . .
CMD ["python3", "manage.py", "runserver", "0.0.0.0:8000"]
"""
COMPOSE = """\
services:
  db:
    image: postgres:18
    environment: {POSTGRES_PASSWORD: postgres}
    volumes: ["db-data:/var/lib/postgresql"]
    healthcheck: {test: [CMD-SHELL, pg_isready -U postgres], interval: 5s, timeout: 5s, retries: 5}
  web:
    build: .
    user: "${OWNER}"
    command: sh -c "python manage.py migrate && python manage.py runserver 0.0.0.0:8000"
    volumes: [".:/app"]
    ports: ["127.0.0.1:${WEB_PORT}:8000"]
    depends_on: {db: {condition: service_healthy}}
volumes: {db-data: {}}
"""
SETTINGS = """
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "db",
        "NAME": "postgres",
        "USER": "postgres",
        "PASSWORD": "postgres",
    }
}
"""
URLS = """
from django.contrib.auth import get_user_model
from django.http import HttpResponse

urlpatterns.append(path("", lambda request: HttpResponse(f"{get_user_model().objects.count()} users")))
"""


class Stack:
    """A Compose project in a folder of its own, and the seconds that it took."""

    def __init__(self, parent: Path, name: str):
        self.path = parent / f"bench-up-{name}-{os.getpid()}"
        self.path.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.seconds: dict[str, list[float]] = {what: [] for what in COMMANDS}

    def start(self, *words: str) -> subprocess.Popen:
        environment = {**os.environ, "WEB_PORT": str(self.port), "OWNER": f"{os.getuid()}:{os.getgid()}"}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(["docker", "compose", *words], cwd=self.path, env=environment, **quiet)

    def compose(self, *words: str) -> None:
        if status := self.start(*words).wait(TIMEOUT):
            raise SystemExit(f"docker compose {' '.join(words)} exited with {status} in {self.path}")

    def up(self, what: str) -> None:
        """Time `up` from the command to the first page."""
        started = time.monotonic()
        process = self.start("up", "--detach")
        while not self.answers():
            if time.monotonic() > started + TIMEOUT:
                raise SystemExit(f"no page from {self.path} in {TIMEOUT} s")
            time.sleep(POLL)
        self.seconds[what].append(time.monotonic() - started)
        process.wait(TIMEOUT)

    def answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=TIMEOUT) as response,
        ):
            return response.status == 200
        return False

    def stop(self) -> None:
        started = time.monotonic()
        self.compose("stop")
        self.seconds["stop"].append(time.monotonic() - started)

    def round(self) -> None:
        self.compose("down", "--volumes")
        self.up("page, fresh volume")
        self.stop()
        self.compose("down")
        self.up("page, second time")
        self.stop()
        self.compose("down", "--volumes")


def make_naive(stack: Stack) -> None:
    locked = re.findall(r"^((?:django|psycopg|psycopg-binary)==\S+)", (ROOT / "requirements.txt").read_text(), re.M)
    (stack.path / "requirements.txt").write_text("\n".join(locked) + "\n")
    (stack.path / "Dockerfile").write_text(DOCKERFILE)
    (stack.path / "compose.yaml").write_text(COMPOSE)
    stack.compose("build")
    stack.compose("run", "--rm", "--no-deps", "web", "django-admin", "startproject", "config", ".")
    for name, text in {"settings.py": SETTINGS, "urls.py": URLS}.items():
        with (stack.path / "config" / name).open("a") as file:
            file.write(text)


def make_ours(stack: Stack) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file():
            (stack.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, stack.path / name)
    stack.compose("build")


def p95(values: list[float]) -> float:
    """Return the smallest value that 95 % of the values do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def report(naive: Stack, ours: Stack) -> None:
    print(f"{'seconds':20} {'naive':>7} {'p95':>7} {'here':>7} {'p95':>7} {'ratio':>7}")
    for what in COMMANDS:
        a, b = naive.seconds[what], ours.seconds[what]
        ratio = statistics.median(a) / statistics.median(b)
        cells = (statistics.median(a), p95(a), statistics.median(b), p95(b), ratio)
        print(f"{what:20} " + " ".join(f"{cell:7.2f}" for cell in cells))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        naive, ours = Stack(Path(folder), "naive"), Stack(Path(folder), "here")
        try:
            make_naive(naive)
            make_ours(ours)
            load = os.getloadavg()[0]
            for number in range(rounds):
                for stack in (naive, ours) if number % 2 else (ours, naive):
                    stack.round()
        finally:
            for stack in (naive, ours):
                stack.start("down", "--volumes", "--rmi=local").wait(TIMEOUT)
        print(f"{rounds} rounds on {os.cpu_count()} cores, {platform.platform()}; load {load:.1f} before")
        report(naive, ours)


if __name__ == "__main__":
    main()
