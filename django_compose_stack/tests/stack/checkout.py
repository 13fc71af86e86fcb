"""A copy of this checkout to bring up, change and take away again."""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from django_compose_stack.tests import ROOT, STACK

TIMEOUT = 180  # seconds; what no command here needs unless something hangs
LONG = 600  # seconds; packages are locked, and images built
PAUSE = 0.1  # seconds
# Below the ports that the engine and the kernel hand out by themselves.
PORTS = range(20000, 30000)
# The variables of whoever runs the tests are not those of the stack under test.
FOREIGN = re.compile(
    r"(COMPOSE|MAKE|MFLAGS|PYTEST|DJANGO)\w*|MODE|"
    + "|".join(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
)


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def environment(**variables: str | None) -> dict[str, str]:
    """Return this process's environment without the variables that the stack reads, and with those that are given."""
    own = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
    return own | {name: value for name, value in variables.items() if value is not None}


def run(
    *command: str,
    cwd: Path = ROOT,
    timeout: float = TIMEOUT,
    check: bool = True,
    input: str = "",
    **variables: str | None,
) -> subprocess.CompletedProcess[str]:
    """Return the finished process with its stdout and stderr as text.

    variables: what the environment has besides. Raises AssertionError with the output where the command fails
    (unless check is false) or takes longer than timeout, in seconds; then it is ended with all its children.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(input, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(f"{' '.join(command)} took over {timeout} s:\n{stdout}{stderr}") from None
    if check and process.returncode:
        raise AssertionError(f"{' '.join(command)} exited with {process.returncode}:\n{stdout}{stderr}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def get(port: int, path: str = "/", timeout: float = 30) -> tuple[int, str]:
    """Return status and body; 0 and the reason where nothing answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def wait_for(condition, what: str, timeout: float = 30):
    """Call condition until it returns something true, and return that. Raises AssertionError naming `what`."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(PAUSE)
    return result


GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
# The same tests on what `new` makes of the repository: TEST_PROJECT=new
IS_NEW = os.environ.get("TEST_PROJECT") == "new"


class Checkout:
    """The project's files, as git would check them out, in a folder and so a Compose project of their own."""

    def __init__(self, parent: Path, owner: int | None = None):
        self.path = parent / f"stacktest-{random.randbytes(4).hex()}"
        self.name = self.path.name
        self.port = free_port()
        self.write_files()
        if owner is not None:
            for path in (self.path, *self.path.rglob("*")):
                os.chown(path, owner, owner)

    def write_files(self) -> None:
        if IS_NEW:
            run(*STACK, "new", str(self.path))
            shutil.rmtree(self.path / ".git")
            return
        files = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
        for file in filter(None, files.split("\0")):
            if (ROOT / file).exists():
                (self.path / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, self.path / file)

    def run(self, *command: str, **options):
        return run(*command, cwd=self.path, **{"WEB_PORT": str(self.port), **options})

    def compose(self, *words: str, **options):
        return self.run("docker", "compose", *words, **options)

    def make(self, *words: str, **options):
        return self.run("make", *words, **{"MODE": "docker", **options})

    def manage(self, *words: str, **options):
        """Run manage.py in the web container that is up, and return what it printed."""
        return self.compose("exec", "-T", "web", "python", "manage.py", *words, **options).stdout

    def up(self, *words: str, **options):
        return self.compose("up", "--build", "--wait", *words, **options)

    def get(self, path: str = "/") -> tuple[int, str]:
        return get(self.port, path)

    def page(self, path: str = "/") -> str:
        """Return the text of a page that must be there."""
        status, text = self.get(path)
        assert status == 200, f"{path} answered {status}: {text}\n{self.logs()}"
        return text

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", "--no-log-prefix", *services, check=False).stdout

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).stdout.strip()

    def inspect(self, service: str, template: str) -> str:
        return run("docker", "inspect", "--format", template, self.container(service)).stdout.strip()

    def add_note(self, text: str) -> None:
        code = f"from apps.pages.models import Note; Note.objects.create(text={text!r})"
        self.manage("shell", "--no-imports", "-c", code)

    def leftovers(self) -> list[str]:
        """Return what the engine still has of this project: containers, networks, volumes."""
        label = f"label=com.docker.compose.project={self.name}"
        lists = {"container": ["ps", "--all"], "network": ["network", "ls"], "volume": ["volume", "ls"]}
        return [
            f"{kind} {item}"
            for kind, words in lists.items()
            for item in run("docker", *words, "--quiet", "--filter", label).stdout.split()
        ]

    def remove(self) -> None:
        """Take everything of this project from the engine, whatever state a test left it in, and the folder."""
        for file in (".env", "compose.override.yaml"):
            (self.path / file).unlink(missing_ok=True)
        self.compose("--profile=*", "down", "--volumes", "--rmi=local", "--remove-orphans", "--timeout=5", check=False)
        left = self.leftovers()
        shutil.rmtree(self.path)
        assert left == []


class Repository(Checkout):
    """A checkout with a commit to compare with, to add services to."""

    def write_files(self) -> None:
        super().write_files()
        run(*GIT, "init", "--quiet", cwd=self.path)
        run(*GIT, "add", "--all", "--force", cwd=self.path)
        run(*GIT, "commit", "--quiet", "--message=Begin", cwd=self.path)

    def changes(self) -> str:
        return run("git", "status", "--porcelain", cwd=self.path).stdout

    def shell(self, code: str) -> str:
        return self.manage("shell", "--no-imports", "-c", code).strip()

    def add(self, name: str) -> str:
        return self.make("add", f"SERVICE={name}", timeout=LONG).stdout

    def drop(self, name: str) -> str:
        return self.make("remove", f"SERVICE={name}", timeout=LONG).stdout

    def sql(self, statements: str, database: str = "app") -> str:
        """Run SQL as root in the container of MariaDB, and return its rows, tabs between."""
        return self.compose("exec", "-T", "db", "mariadb", "-N", database, input=statements).stdout.strip()
