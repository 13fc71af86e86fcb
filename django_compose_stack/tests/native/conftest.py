"""Temporary copies of this checkout, in which the tests run native mode for real."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from django_compose_stack.tests import ROOT

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".native", ".postgres", ".env", "__pycache__", "db.sqlite3*", "backups", "staticfiles", ".*_cache"
)
TIMEOUT = 120  # seconds, for one command
SPACE = 4 * 1024**3  # bytes
BASE_PYTHON = Path(sys._base_executable)
NOBODY = pwd.getpwnam("nobody")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become other users")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes(path):
    """Return {process id: command line} of what was started from a folder or stands in it."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(path) in command + str((entry / "cwd").readlink()):
                found[int(entry.name)] = command
        except OSError:
            continue
    return found


class Toolbox:
    """A folder that every user can read, with a uv, a Python and nothing else that the tests' own PATH has."""

    def __init__(self, path):
        self.path = path
        self.bin = path / "bin"
        self.bin.mkdir()
        shutil.copy2(shutil.which("uv"), self.bin / "uv")
        self.python = self.shareable(BASE_PYTHON)

    def shareable(self, python):
        """Return the path of a Python that every user may run: itself, or a copy of its installation."""
        prefix = python.resolve().parents[1]
        if os.geteuid() != 0 or all(folder.stat().st_mode & 0o5 == 0o5 for folder in [prefix, *prefix.parents]):
            return python
        copy = self.path / prefix.name
        if not copy.exists():
            ignored = shutil.ignore_patterns("test", "site-packages", "__pycache__", "*.a", "idlelib", "share")
            shutil.copytree(prefix, copy, symlinks=True, ignore=ignored)
            # Without it, installing begins with compiling the standard library anew for each user.
            subprocess.run([copy / "bin" / python.resolve().name, "-m", "compileall", "-qq", copy / "lib"])
        return copy / "bin" / python.resolve().name

    def environment(self, user=None):
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "http"))}
        home = Path.home()
        if user is not None and user != os.geteuid():
            home = self.path / f"home-{user}"
            if not home.exists():
                home.mkdir()
                os.chown(home, user, user)
        path = f"{self.bin}:{self.python.parent}:/usr/bin:/bin:/usr/sbin:/sbin"
        cache = str(home / ".cache/uv" if user else self.path / "cache")
        return kept | {
            "PATH": path,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "UV_CACHE_DIR": cache,
            "UV_PYTHON_PREFERENCE": "only-system",
            # A copied Python would look for its library where it was built for.
            "LD_LIBRARY_PATH": str(self.python.parents[1] / "lib"),
        }


class Checkout:
    """A copy of this checkout. Call it as you would call `python3 .stack native`."""

    def __init__(self, path, toolbox, user=None, owner=None):
        self.path = path
        self.user = user
        self.port = free_port()
        self.environment = toolbox.environment(user) | {"WEB_PORT": str(self.port)}
        shutil.copytree(ROOT, path, ignore=NOT_COPIED)
        for name in {user, owner} - {None}:
            subprocess.run(["chown", "-R", f"{name}:{name}", path], check=True)

    def popen(self, *words, env=(), **options):
        if self.user is not None:
            options |= {"user": self.user, "group": self.user, "extra_groups": []}
        options = {"cwd": "/", "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return subprocess.Popen(
            ["python3", "-IS", self.path / ".stack", "native", *words], env=self.environment | dict(env), **options
        )

    def __call__(self, *words, status=0, input="", **options):
        """Run a command in native mode, assert its exit status, and return the finished process."""
        with self.popen(*words, stdin=subprocess.PIPE, **options) as process:
            try:
                output, errors = process.communicate(input, timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert status in (process.returncode, None), f"status {process.returncode}\n{output}\n{errors}"
        return subprocess.CompletedProcess(words, status, output, errors)

    def query(self, sql, **options):
        return self("psql", "-AtXqc", sql, **options).stdout.rstrip("\n")

    def read(self, name):
        return (self.path / name).read_text()

    def server_pid(self):
        return int(self.read(".postgres/data/postmaster.pid").split()[0])

    def web_pid(self):
        return int(self.read(".native/web").split()[0])

    def foreign_files(self, uid):
        """Return the files that do not belong to a user."""
        listed = subprocess.run(["find", self.path, "!", "-uid", str(uid)], capture_output=True, text=True, check=True)
        return listed.stdout.split("\n")[:-1]


@pytest.fixture(scope="session")
def toolbox():
    # Thousands of small files are written and deleted, which is many times faster in memory.
    memory = Path("/dev/shm")
    fits = memory.is_dir() and shutil.disk_usage(memory).free > SPACE
    base = memory if fits else Path(tempfile.gettempdir()).resolve()
    with tempfile.TemporaryDirectory(prefix="native-tests-", dir=base, ignore_cleanup_errors=True) as path:
        Path(path).chmod(0o755)
        yield Toolbox(Path(path))


@contextmanager
def new_checkouts(toolbox):
    """Yield a function that makes a Checkout; what runs in it, and its files, end with the context."""
    made = []

    def make(name="project", **options):
        folder = Path(tempfile.mkdtemp(prefix="checkout-", dir=toolbox.path))
        folder.chmod(0o755)
        made.append(folder)
        return Checkout(folder / name, toolbox, **options)

    yield make
    for folder in made:
        # Tests that are about ending do it well; this is the quick way.
        while left := processes(folder):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for program in Path("/dev/shm").glob("native-*-*/program"):
            if program.read_text().startswith(str(folder)):
                shutil.rmtree(program.parent)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_checkout(toolbox):
    with new_checkouts(toolbox) as make:
        yield make


@pytest.fixture
def checkout(make_checkout):
    """A fresh copy, in which nothing ran yet."""
    return make_checkout()


@pytest.fixture(scope="session")
def used(toolbox):
    """A copy that is up to date and has a database; for tests that leave it so."""
    with new_checkouts(toolbox) as make:
        checkout = make()
        checkout("true")
        yield checkout
