"""A copy of this checkout whose production is brought up, used and taken away again."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from django_compose_stack.tests import ROOT, STACK
from django_compose_stack.tests.stack.checkout import Checkout, environment, free_port, run, wait_for

STYLESHEET = re.compile(r'href="(/static/[\w/]+\.[0-9a-f]{12}\.css)"')
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
TIMEOUT = 900  # seconds; a deploy may take minutes on a busy machine


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case; of a repeated header the last
    body: str
    raw: http.client.HTTPMessage


class Production(Checkout):
    """A copy of the checkout with a stack name and ports of its own."""

    def __init__(self, parent: Path):
        super().__init__(parent)
        self.variables = {
            "STACK_NAME": self.name,
            "IMAGE": self.name,
            "HTTP_PORT": str(free_port()),
            "HTTPS_PORT": str(free_port()),
        }
        self.give_style("first")

    def bring_files(self) -> None:
        """Write production's files, for a test that changes them before anything runs."""
        shutil.copytree(ROOT / "django_compose_stack/scaffold/production", self.path, dirs_exist_ok=True)

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.path / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def give_style(self, mark: str) -> None:
        """Give the page a stylesheet of this content, and so another name of it in the page."""
        path = self.path / "apps/pages/static/pages/mark.css"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"/* {mark} */\n" + "p { margin: 0 }\n" * 100)
        page = "apps/pages/templates/pages/notes.html"
        if path.name not in (self.path / page).read_text():
            link = """<link rel="stylesheet" href="{% static 'pages/mark.css' %}">"""
            self.replace(page, "</head>", f"{link}</head>")

    def make_quick(self) -> None:
        if not (self.path / "compose.prod.yaml").exists():
            self.bring_files()
        self.replace("Dockerfile", "--interval=10s", "--interval=1s")
        self.replace("compose.prod.yaml", "monitor: 10s", "monitor: 2s")

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

    def run(self, *command: str, **options):
        return super().run(*command, **{"timeout": TIMEOUT, **self.variables, **options})

    def make(self, *words: str, **options):
        return self.run("make", "--no-print-directory", *words, **options)

    def compose(self, *words: str, **options):
        return self.run(*STACK, "prod-compose", *words, **options)

    def exec(self, service, *words, **options):
        """Run a command in a container of the service and return what it printed."""
        return self.run(*STACK, "prod-exec", service, *words, **options).stdout

    def manage(self, *words, **options):
        return self.exec("web", "python", "manage.py", *words, **options)

    def sql(self, statement: str) -> str:
        """Run SQL as the database's owner over its socket; return rows without headers."""
        return self.exec("db", "psql", "-U", "app", "-d", "app", "-qAtc", statement).strip()

    def followed(self, pattern: str, names: set[str]) -> str:
        """Follow `make logs` until the pattern has named all of them, press Control-C, return what came after it."""
        words = ["make", "--no-print-directory", "logs", "MODE=production"]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
        with subprocess.Popen(words, cwd=self.path, env=environment(**self.variables), **options) as process:
            try:
                while names:
                    line = process.stdout.readline()
                    assert line, f"the logs ended without {names}"
                    names = names - set(re.findall(pattern, line))
            finally:
                # As the terminal does, to all of them.
                os.killpg(process.pid, signal.SIGINT)
                said, _ = process.communicate(timeout=60)
        return said

    def containers(self) -> list[str]:
        labels = ["com.docker.compose.project", "com.docker.stack.namespace"]
        listed = [run("docker", "ps", "-q", "--filter", f"label={label}={self.name}").stdout for label in labels]
        return "".join(listed).split()

    def processes(self, service: str) -> list[dict[str, list[str]]]:
        """Return the fields of /proc/PID/status of each process of a service, by name.

        Of those alone that two looks see: what the engine starts in a container, such as a health check or the look
        itself, is root for a moment on its way in.
        """
        looks = []
        for _ in range(2):
            text = self.exec(service, "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null; true")
            statuses = [
                {name: values.split() for name, _, values in (line.partition(":") for line in part.splitlines())}
                for part in re.split(r"^(?=Name:)", text, flags=re.M)[1:]
            ]
            looks.append({status["Pid"][0]: status for status in statuses})
        return [status for pid, status in looks[1].items() if pid in looks[0]]

    def inspect_all(self, service: str, template: str) -> list[str]:
        """Return what the template makes of each container of a service of Compose, in a steady order."""
        names = sorted(self.compose("ps", "--all", "--format", "{{.Name}}", service).stdout.split())
        return run("docker", "inspect", "--format", template, *names).stdout.split()

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

    def left(self) -> list[tuple[str, str]]:
        """Return (kind, name) of what the engine still has of this production."""
        lists = {kind: [kind, "ls", "--format={{.Name}}"] for kind in ("network", "volume", "secret", "config")}
        lists["container"] = ["container", "ls", "--all", "--format={{.Names}}"]
        found = []
        for kind, words in lists.items():
            names = run("docker", *words, check=False).stdout.split()
            found += [(kind, name) for name in names if name.startswith((f"{self.name}_", f"{self.name}-"))]
        return found

    def remove(self) -> None:
        """Take everything of this project from the engine, whatever state a test left it in, and the folder."""
        self.run("docker", "stack", "rm", self.name, check=False)
        self.compose("down", "--volumes", "--remove-orphans", "--timeout=5", check=False)

        def gone():
            # A stack goes by and by, and what is still in use cannot be removed.
            for kind, name in self.left():
                if kind != "container":
                    run("docker", kind, "rm", name, check=False)
            return not self.left()

        wait_for(gone, f"what is left of {self.name} to go", timeout=120)
        images = run("docker", "image", "ls", "--quiet", self.name).stdout.split()
        if images:
            run("docker", "image", "rm", "--force", *images, check=False)
        shutil.rmtree(self.path)


@contextlib.contextmanager
def running(
    tmp_path_factory, goal: str, tls: bool = False, is_quick: bool = False, prepare=lambda production: None
) -> Iterator[Production]:
    """Give a production of its own, brought up by `make GOAL`, and take it away again.

    is_quick: its releases wait for less, because a test's release is healthy in seconds, or never.
    prepare: changes its files before that.
    """
    production = Production(tmp_path_factory.mktemp("prod"))
    prepare(production)
    if is_quick:
        production.make_quick()
    if tls:
        production.add_certificate()
    try:
        production.make(goal)
        yield production
    finally:
        production.remove()
