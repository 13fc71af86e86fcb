"""Measure how long a save takes to be judged by its tests: cold pytest, pytest --reuse-db, pytest-watcher with
pytest-testmon, and this one.

    watch.py                        the generated project, all in turn
    watch.py --project this         the tests of this project's apps
    watch.py --edits 20 --kinds test

Each save changes the inside of a function: of one test, or of a view. Cold pytest is given the names of the tests that
the save concerns, and is started at the save; the others find them. The time is from the end of the write to the
verdict.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from project import APPS, MIDDLE, PACKAGES, ROOT, generate
from stack import p95

TOOLS = ["pytest>=9", "pytest-django>=4.12", "pytest-watcher", "pytest-testmon"]
PAUSE = 1.5  # seconds between a verdict and the next save; pytest-watcher forgets one that comes before pytest's end
GIVE_UP = 60.0  # seconds
WATCHERS = {
    # With its own pattern, *.py, and watchdog 7 it sees no save at all.
    "watcher, testmon": ["-m", "pytest_watcher", ".", "--now", "--patterns=**/*.py", "--testmon"],
    "this": ["-m", "django_fast_reload", "watch"],
}
TESTS = """
import pytest
from {app} import service0
from {app}.models import {name}

@pytest.mark.django_db
def test_items(client):
    {name}.objects.create(title="first")
    assert [item["title"] for item in client.get("/{app}/items/").json()] == ["first"]

@pytest.mark.django_db
def test_admin(admin_client):
    assert admin_client.get("/admin/{app}/{app}/").status_code == 200

def test_step():
    assert service0.step1(2) == [2, 1]
"""
OF_VIEW = """
@pytest.mark.django_db
def test_bench(client):
    assert client.get("/bench").json()["view"] == 0

def test_one():
    assert service0.step2(2) == [2, 2]
"""
GENERATED = {
    # kind: file, the line behind which each save writes another one, and the tests that this concerns
    "test": (f"{MIDDLE}/tests.py", "def test_one():\n", "    edit = {}\n", [f"{MIDDLE}/tests.py::test_one"]),
    "view": (
        f"{MIDDLE}/views.py", "def bench(request, number):\n", "    edit = {}\n", [f"{MIDDLE}/tests.py::test_bench"],
    ),
}  # fmt: skip
PAGES = "apps/pages/tests.py"
ONE = "test_page_runs_nothing_from_elsewhere"
OWN = {
    "test": (PAGES, f"def {ONE}(client):\n", "    edit = {}\n", [f"{PAGES}::{ONE}"]),
    "view": ("apps/pages/views.py", "def get_context_data(self, **kwargs):\n", "        edit = {}\n", [PAGES]),
}


def generated(root: Path, folder: Path) -> tuple[Path, str]:
    """Return the project, and an interpreter that has what it needs."""
    generate(root)
    for number in range(APPS):
        app = f"own{number}"
        text = TESTS.format(app=app, name=app.capitalize())
        (root / app / "tests.py").write_text(text.lstrip("\n") + (OF_VIEW if app == MIDDLE else ""))
    (root / "pytest.ini").write_text("[pytest]\nDJANGO_SETTINGS_MODULE = config.settings\npython_files = tests.py\n")
    if not folder.exists():
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = folder / "bin/python"
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *PACKAGES, *TOOLS], check=True)
    return root, str(python)


def this_project(root: Path, folder: Path) -> tuple[Path, str]:
    ignored = shutil.ignore_patterns(".git", ".venv", ".postgres", ".native", "__pycache__", ".env", ".pytest_cache")
    shutil.copytree(ROOT, root, ignore=ignored, dirs_exist_ok=True)
    text = (root / "pyproject.toml").read_text()
    (root / "pyproject.toml").write_text(re.sub(r"testpaths = .*", 'testpaths = ["apps"]', text))
    if not folder.exists():
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = folder / "bin/python"
    lock = ["-r", root / "requirements/dev.txt"]
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *lock], check=True)
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *TOOLS], check=True)
    return root, str(python)


class Cold:
    """pytest, started at the save."""

    def __init__(self, root: Path, python: str, log: Path, *options: str):
        self.root, self.command = root, [python, "-m", "pytest", "-q", "-p", "no:testmon", "-p", "no:xdist", *options]

    def judge(self, tests: list[str]) -> None:
        done = subprocess.run([*self.command, *tests], cwd=self.root, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stdout)

    def expect(self) -> None:
        """Do what is due before the save."""

    def stop(self) -> None:
        """Nothing goes on."""


class Watcher:
    """A program that waits for saves. Its verdict is the line that ends with the seconds it took."""

    def __init__(self, root: Path, python: str, log: Path, *command: str):
        self.log = log
        with log.open("wb") as file:
            path = f"{Path(python).parent}:{os.environ['PATH']}"  # pytest-watcher starts the first pytest there
            self.process = subprocess.Popen(
                [python, *command], cwd=root, env={**os.environ, "PATH": path},
                stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self.seen = 0
        self.judge([])

    def verdicts(self) -> int:
        return len(re.findall(r"\d (?:passed|deselected).* in \d", self.log.read_text()))

    def expect(self) -> None:
        self.seen = self.verdicts()

    def judge(self, tests: list[str]) -> None:
        deadline = time.monotonic() + GIVE_UP
        while self.verdicts() <= self.seen:
            if time.monotonic() > deadline:
                raise SystemExit(f"no verdict within {GIVE_UP:.0f} s\n{self.log.read_text()}")
            time.sleep(0.005)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


class This(Watcher):
    """seconds: what the tests themselves took in each run."""

    def __init__(self, *arguments):
        self.seconds: list[float] = []
        super().__init__(*arguments)
        port = int(re.search(r"http://127.0.0.1:(\d+)", self.log.read_text())[1])
        stream = socket.create_connection(("127.0.0.1", port), GIVE_UP)
        stream.sendall(b"GET /__devserver__/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.events = stream.makefile("rb")
        self.run = self.next_run(0)

    def next_run(self, after: int) -> int:
        for line in self.events:
            if line.startswith(b"data: "):
                tests = json.loads(line[6:])["tests"] or {}
                if tests.get("run", 0) > after:
                    self.seconds.append(tests["seconds"])
                    return tests["run"]
        raise SystemExit(self.log.read_text())

    def judge(self, tests: list[str]) -> None:
        if hasattr(self, "run"):
            self.run = self.next_run(self.run)
        else:
            super().judge(tests)


def measure(contender, path: Path, kind: tuple, edits: int) -> list[float]:
    """Return the milliseconds of each save."""
    _, before, line, tests = kind
    text, times = path.read_text(), []
    assert text.count(before) == 1
    try:
        for number in range(1, edits + 1):
            time.sleep(PAUSE)
            contender.expect()
            path.write_text(text.replace(before, before + line.format(number)))
            began = time.perf_counter()
            contender.judge(tests)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        time.sleep(PAUSE)
        contender.expect()
        path.write_text(text)
    contender.judge(tests)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", choices=["generated", "this"], default="generated")
    parser.add_argument("--kinds", nargs="+", default=["test", "view"])
    parser.add_argument("--contenders", nargs="+", default=["cold pytest", "reuse-db", "watcher, testmon", "this"])
    parser.add_argument("--edits", type=int, default=15)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "watch-bench")
    options = parser.parse_args()
    folder = options.folder / options.project
    folder.mkdir(parents=True, exist_ok=True)
    make, kinds = (generated, GENERATED) if options.project == "generated" else (this_project, OWN)
    root, python = make(folder / "site", folder / "env")
    contenders = {
        "cold pytest": lambda log: Cold(root, python, log),
        "reuse-db": lambda log: Cold(root, python, log, "--reuse-db"),
        "watcher, testmon": lambda log: Watcher(root, python, log, *WATCHERS["watcher, testmon"]),
        "this": lambda log: This(root, python, log, *WATCHERS["this"]),
    }
    os.environ["BENCH_SERVER"] = "this"
    found: dict[tuple[str, str], list[float]] = {}
    for name in options.contenders:
        contender = contenders[name](folder / "log")
        try:
            for kind in options.kinds:
                if name in ("cold pytest", "reuse-db"):
                    contender.judge(kinds[kind][3])  # the database that is used again
                count = len(getattr(contender, "seconds", ()))
                found[kind, name] = measure(contender, root / kinds[kind][0], kinds[kind], options.edits)
                if name == "this":
                    own = [1000 * seconds for seconds in contender.seconds[count : count + options.edits]]
                    print(f"{kind}: the tests themselves took {statistics.median(own):.0f} ms", flush=True)
        finally:
            contender.stop()
    print(f"| save of a | {' | '.join(f'{name}, median (p95) ms' for name in options.contenders)} |")
    print("|---" * (len(options.contenders) + 1) + "|")
    for kind in options.kinds:
        times = [found[kind, name] for name in options.contenders]
        print(f"| {kind} | {' | '.join(f'{statistics.median(each):.0f} ({p95(each):.0f})' for each in times)} |")


if __name__ == "__main__":
    main()
