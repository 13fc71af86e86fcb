"""A copy of this checkout whose production is brought up, used and taken away again."""

import contextlib
import http.client
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import time
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
# Below the ports that the engine and the kernel hand out by themselves.
PORTS = range(20000, 30000)
# The variables of whoever runs the tests are not those of the stack under test.
FOREIGN = re.compile(r"(COMPOSE|MAKE|MFLAGS|PYTEST|DJANGO)\w*|MODE|DEBUG|[A-Z]+_PORT|POSTGRES_\w+|STACK_NAME|VERSION")


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def run(*command, cwd=ROOT, timeout=300, check=True, input="", **variables):
    """Return the finished process, its output as text.

    timeout: seconds. variables: what the environment has besides. Raises AssertionError with the output where the
    command fails, unless check is false.
    """
    environment = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
    done = subprocess.run(
        command, cwd=cwd, env=environment | variables, input=input, capture_output=True, text=True, timeout=timeout
    )
    assert not check or done.returncode == 0, (
        f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done


def wait_for(condition, what, timeout=60):
    """Call condition until it returns something true, and return that; timeout is in seconds."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(0.2)
    return result


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case; of a repeated header the last
    body: str
    raw: http.client.HTTPMessage


class Production:
    """The project's files in a folder of their own, with a stack name and ports of their own."""

    def __init__(self, parent: Path, **variables: str):
        self.name = f"prodtest-{random.randbytes(4).hex()}"
        self.path = parent / self.name
        self.variables = {
            "STACK_NAME": self.name,
            "IMAGE": self.name,
            "HTTP_PORT": str(free_port()),
            "HTTPS_PORT": str(free_port()),
            **variables,
        }
        files = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
        for file in filter(None, files.split("\0")):
            if (ROOT / file).exists():
                (self.path / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, self.path / file)

    def add_certificate(self) -> None:
        """Give it a certificate for localhost that nobody but this test trusts."""
        folder = self.path / "secrets"
        folder.mkdir(exist_ok=True)
        run(
            *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
            *["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            *["-keyout", f"{folder}/tls_key", "-out", f"{folder}/tls_certificate"],
        )
        (folder / "tls_key").chmod(0o444)

    def run(self, *command, **options):
        return run(*command, cwd=self.path, **{**self.variables, **options})

    def make(self, *words, **options):
        return self.run("make", "--no-print-directory", *words, **options)

    def compose(self, *words, **options):
        return self.run("bin/prod", "compose", *words, **options)

    def exec(self, service, *words, **options):
        """Run a command in a container of the service and return what it printed."""
        return self.run("bin/prod", "exec", service, *words, **options).stdout

    def manage(self, *words, **options):
        return self.exec("web", "python", "manage.py", *words, **options)

    def sql(self, statement: str) -> str:
        """Run SQL as the database's owner over its socket; return rows without headers."""
        return self.exec("db", "psql", "-U", "app", "-d", "app", "-qAtc", statement).strip()

    def containers(self) -> list[str]:
        labels = ["com.docker.compose.project", "com.docker.stack.namespace"]
        listed = [run("docker", "ps", "-q", "--filter", f"label={label}={self.name}").stdout for label in labels]
        return "".join(listed).split()

    def request(self, path="/", method="GET", tls=False, body=None, headers=None, host="localhost") -> Answer:
        """Ask Nginx, with the Host that a browser would send. Redirects are not followed."""
        port = int(self.variables["HTTPS_PORT" if tls else "HTTP_PORT"])
        if tls:
            context = ssl.create_default_context(cafile=str(self.path / "secrets/tls_certificate"))
            connection = http.client.HTTPSConnection("localhost", port, timeout=70, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=70)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Host": f"{host}:{port}", **(headers or {})})
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, text, response.msg)

    def origin(self, tls: bool) -> str:
        return (
            f"https://localhost:{self.variables['HTTPS_PORT']}"
            if tls
            else f"http://localhost:{self.variables['HTTP_PORT']}"
        )

    def log_in(self, tls: bool, origin: str | None = None, password: str = "pw-for-a-test") -> Answer:
        """Send the admin's login form as a browser does, from the page's own origin unless told."""
        page = self.request("/admin/login/", tls=tls)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.body)[1]
        cookie = SimpleCookie(page.headers["set-cookie"])["csrftoken"]
        headers = {
            "Cookie": f"csrftoken={cookie.value}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": origin or self.origin(tls),
            "Referer": f"{origin or self.origin(tls)}/admin/login/",
        }
        form = {"csrfmiddlewaretoken": token, "username": "admin", "password": password, "next": "/admin/"}
        return self.request("/admin/login/", "POST", tls, urlencode(form), headers)

    def remove(self) -> None:
        """Take everything of this project from the engine, whatever state a test left it in, and the folder."""
        self.run("docker", "stack", "rm", self.name, check=False)
        self.compose("down", "--volumes", "--remove-orphans", "--timeout=5", check=False)
        wait_for(lambda: not self.containers(), f"the containers of {self.name} to go")
        for kind in ("network", "volume", "secret", "config"):
            listed = run("docker", kind, "ls", "--format", "{{.Name}}", check=False).stdout.split()
            own = [name for name in listed if name.startswith(f"{self.name}_")]
            if own:
                run("docker", kind, "rm", *own, check=False)
        images = run("docker", "image", "ls", "-q", self.name).stdout.split()
        if images:
            run("docker", "image", "rm", "--force", *images, check=False)
        shutil.rmtree(self.path, ignore_errors=True)
