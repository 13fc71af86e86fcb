#!/usr/bin/env python3
"""serve [ROUNDS]: requests per second of production here, with Gunicorn and with uWSGI, and of two others, in turn.

Production is compose.prod.yaml as it is, over HTTP; with uWSGI it has an Nginx of its own. The other two serve the same
code with the same database, each in one container with the same limits: `gunicorn config.wsgi` with its defaults, and
`manage.py runserver` of the development image. Each answers for a static file, a page without a query and a page with
two; all are asked at their containers' own addresses, so that no proxy of the engine lies between. Prints a table in
Markdown.

Needs Linux with a Docker engine, and wrk: apt install wrk. Standard library only.
"""

import contextlib
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
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
SECONDS = 5  # of each measurement
CONNECTIONS = 32
TIMEOUT = 60  # seconds for a server to answer
UNITS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}
PAGES = {"static file": None, "page": "/admin/login/", "page with database": "/"}
# Of each: the service that is asked, its network and port, and the service with the workers.
SERVERS = {
    "here": ("nginx", "front", 8080, "web"),
    "uwsgi": ("nginx-uwsgi", "beside", 8080, "uwsgi"),
    "gunicorn": ("gunicorn", "front", 8000, "gunicorn"),
    "runserver": ("runserver", "front", 8000, "runserver"),
}
NAMES = {
    "here": "Nginx and Gunicorn here",
    "uwsgi": "with uWSGI",
    "gunicorn": "`gunicorn`",
    "runserver": "`runserver`",
}
# Gunicorn looks for gunicorn.conf.py where it is started, so the plain one is started elsewhere.
OTHERS = """
services:
  gunicorn:
    extends: {file: compose.prod.yaml, service: web}
    working_dir: /
    command: [gunicorn, --chdir=/app, --bind=0.0.0.0:8000, config.wsgi]
    # Gunicorn reads this variable too, and 1 is its default. It also wants a home folder to write to.
    environment: {WEB_CONCURRENCY: "1", HOME: /tmp}
    deploy: {replicas: 1}
  runserver:
    extends: {file: compose.prod.yaml, service: web}
    image: ${IMAGE}:dev
    build: {target: dev}
    user: app
    command: [python, manage.py, runserver, "0.0.0.0:8000"]
    environment: {DEBUG: "true"}
    deploy: {replicas: 1}
  # As `make add SERVICE=uwsgi` has it, but for the lock file. Its Nginx knows it as web.
  uwsgi:
    extends: {file: compose.prod.yaml, service: web}
    image: ${IMAGE}:uwsgi
    build: !override
      dockerfile_inline: |
        FROM ${IMAGE}:local
        USER root
        RUN apt-get update --quiet=2 && apt-get install --quiet=2 --yes libexpat1 && rm -rf /var/lib/apt/lists/*
        RUN /usr/local/bin/python -m pip --python /opt/venv/bin/python install --quiet --no-cache-dir pyuwsgi
        COPY uwsgi.conf.py .
        USER 10001
    command: [python, uwsgi.conf.py]
    networks: !override {back: {}, beside: {aliases: [web]}}
  nginx-uwsgi:
    extends: {file: compose.prod.yaml, service: nginx}
    networks: !override [beside]
    ports: !reset []
networks:
  beside:
"""
NOTES = "from apps.pages.models import Note; [Note.objects.create(text=f'note {n}') for n in range(20)]"
# The largest process that serves, which is neither the container's init nor the one that started the others (nor this
# one, whose parent is outside). Pss shares out what they share.
MEMORY = r"""
import re
from pathlib import Path
parent, kilobytes = {}, {}
for folder in Path("/proc").glob("[0-9]*"):
    parent[folder.name] = re.search(r"^PPid:\s+(\d+)", (folder / "status").read_text(), re.M)[1]
    found = re.search(r"^Pss:\s+(\d+)", (folder / "smaps_rollup").read_text(), re.M)
    kilobytes[folder.name] = int(found[1]) if found else 0
print(max(kilobytes[pid] for pid in parent if parent[pid] not in "01"))
"""


class Figure(NamedTuple):
    rate: float  # requests per second
    p99: float  # milliseconds
    failed: int


class Stack:
    """A copy of the checkout as a production of its own, with the two others beside it."""

    def __init__(self, parent: Path):
        self.path = parent / f"bench-serve-{os.getpid()}"
        self.name = self.path.name
        for name in output("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines():
            if (ROOT / name).is_file():
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.path / name)
        (self.path / "others.yaml").write_text(OTHERS)
        ports = {name: str(free_port()) for name in ("HTTP_PORT", "HTTPS_PORT")}
        self.variables = {**os.environ, "STACK_NAME": self.name, "IMAGE": self.name, "HTTPS": "false", **ports}

    def run(self, *command: str) -> str:
        return output(*command, cwd=self.path, env=self.variables)

    def compose(self, *words: str) -> str:
        files = ["--file=compose.prod.yaml", "--file=others.yaml"]
        return self.run("docker", "compose", f"--project-name={self.name}", *files, *words)

    def up(self) -> None:
        self.run(sys.executable, ".stack", "prod-up")
        self.run(
            sys.executable, ".stack", "prod-exec", "web", "python", "manage.py", "shell", "--no-imports", "-c", NOTES
        )
        # Only now: a project with this file has the service, and web would be uWSGI.
        definition = (ROOT / "django_compose_stack/services/uwsgi.txt").read_text()
        (self.path / "uwsgi.conf.py").write_text(definition.partition("@@ uwsgi.conf.py new\n")[2])
        self.compose("up", "--build", "--detach", "--no-deps", "gunicorn", "runserver", "uwsgi", "nginx-uwsgi")

    def remove(self) -> None:
        with contextlib.suppress(SystemExit):
            self.compose("down", "--volumes", "--remove-orphans", "--rmi=local", "--timeout=5")
        for tag in ("uwsgi", "local", "dev"):
            subprocess.run(["docker", "image", "rm", "--force", f"{self.name}:{tag}"], capture_output=True)

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def origin(self, server: str) -> str:
        service, network, port, _ = SERVERS[server]
        template = f'{{{{(index .NetworkSettings.Networks "{self.name}_{network}").IPAddress}}}}'
        address = output("docker", "inspect", "--format", template, self.containers(service)[0])
        return f"http://{address}:{port}"

    def memory(self, service: str) -> float:
        """Return the MB of the largest worker in a container of the service, the median of its containers."""
        found = [output("docker", "exec", each, "python", "-c", MEMORY) for each in self.containers(service)]
        return statistics.median(map(int, found)) / 1024


def output(*command: str, **options) -> str:
    """Return what the command prints; exit with all of its output where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def body(url: str) -> str:
    """Return what the server answers with status 200, tried until TIMEOUT."""
    deadline = time.monotonic() + TIMEOUT
    request = urllib.request.Request(url, headers={"Host": "localhost"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return response.read().decode()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"{url}: {error}")
            time.sleep(0.5)


def paths(origin: str) -> dict[str, str]:
    """Return the path of each page at that server, each tried once; the static file is the login page's first."""
    page = body(f"{origin}/")
    if page.count("note 1") < 11:
        sys.exit(f"{origin}/ has no notes")
    style = re.search(r'href="(/static/[^"]+\.css)"', body(origin + PAGES["page"]))[1]
    found = {what: path or style for what, path in PAGES.items()}
    for path in found.values():
        body(origin + path)
    return found


def measure(url: str, seconds: int = SECONDS) -> Figure:
    options = ["--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s", "--timeout=10s", "--latency"]
    text = output("wrk", *options, "--header=Host: localhost", url)
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", text).groups()
    errors = re.findall(r"(?:Non-2xx or 3xx responses:|connect|read|write|timeout) (\d+)", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)[1]
    return Figure(float(rate), float(p99) * UNITS[unit], sum(map(int, errors)))


def size(image: str) -> float:
    return int(output("docker", "image", "inspect", "--format={{.Size}}", image)) / 1_000_000


def report(figures: dict, memory: dict[str, float], stack: Stack) -> None:
    print(f"| requests per second; p99 | {' | '.join(NAMES.values())} |")
    print("|---" * (len(NAMES) + 1) + "|")
    for what in PAGES:
        cells = []
        for server in SERVERS:
            rounds = figures[server, what]
            rate, p99 = (statistics.median(each[n] for each in rounds) for n in range(2))
            failed = sum(each.failed for each in rounds)
            cells.append(f"{rate:,.0f}; {p99:,.0f} ms" + (f"; {failed} failed" if failed else ""))
        print(f"| {what} | {' | '.join(cells)} |")
    print(f"| memory of a worker, MB | {' | '.join(f'{memory[server]:.0f}' for server in SERVERS)} |")
    base = size("python:3.12-slim")
    sizes = [f"{size(f'{stack.name}:{tag}') - base:.0f}" for tag in ("local", "uwsgi", "local", "dev")]
    print(f"| image on top of python:3.12-slim, MB | {' | '.join(sizes)} |")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    if not shutil.which("wrk"):
        sys.exit("serve: there is no wrk on this machine. Try: apt install wrk")
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        try:
            stack.up()
            origins = {server: stack.origin(server) for server in SERVERS}
            found = {server: paths(origin) for server, origin in origins.items()}
            for server, origin in origins.items():
                for path in found[server].values():
                    measure(origin + path, 1)
            time.sleep(10)
            load = os.getloadavg()[0]
            figures = {(server, what): [] for server in SERVERS for what in PAGES}
            for number in range(rounds):
                for server in list(SERVERS)[:: 1 if number % 2 else -1]:
                    for what in PAGES:
                        figures[server, what].append(measure(origins[server] + found[server][what]))
            memory = {server: stack.memory(workers) for server, (*_, workers) in SERVERS.items()}
            print(f"{rounds} rounds on {os.cpu_count()} cores, {platform.platform()}; load {load:.1f} before\n")
            report(figures, memory, stack)
        finally:
            stack.remove()


if __name__ == "__main__":
    main()
