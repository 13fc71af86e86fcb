"""Brings about every message that docs/troubleshooting.md is keyed by, for real."""

import inspect
import os
import re
import shutil
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.snippets import ROOT, line_pattern
from django_compose_stack.tests.stack.checkout import free_port, run, wait_for
from django_compose_stack.tests.stack.test_doctor import write_env

CAUSES = {}


def shows(message):
    """Register a function that brings about a message: it takes a fixture, and returns all that was said."""

    def register(cause):
        CAUSES[message] = cause
        return cause

    return register


def said(done):
    return done.stdout + done.stderr


@shows("Cannot connect to the Docker daemon at …. Is the docker daemon running?")
def no_engine(stack):
    return said(stack.compose("up", check=False, DOCKER_HOST="unix:///nowhere/docker.sock"))


@shows("permission denied while trying to connect to the …")
def not_in_the_group(stack):
    if os.geteuid():
        pytest.skip("only root can become a user whom the engine does not know")
    return said(
        run("setpriv", "--reuid=4321", "--regid=4321", "--clear-groups", "docker", "ps", check=False, cwd=Path("/"))
    )


@shows("no configuration file provided: not found")
def another_folder(stack):
    with tempfile.TemporaryDirectory() as folder:
        return said(run("docker", "compose", "ps", cwd=Path(folder), check=False))


@shows("Bind for 127.0.0.1:… failed: port is already allocated")
def port_of_a_container(stack):
    done = stack.compose(
        "run", "--rm", "--no-deps", f"--publish=127.0.0.1:{stack.port}:8000", "web", "true", check=False
    )
    return said(done)


@shows("the engine has no image … and cannot pull it: …")
def registry_that_is_away(checkout):
    (checkout.path / "compose.override.yaml").write_text("services: {db: {image: 'localhost:1/postgres:18'}}")
    return said(checkout.run(*STACK, "doctor", check=False))


@shows("exec as-owner failed: No such file or directory")
def windows_line_ends(checkout):
    script = checkout.path / "Dockerfile"
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))
    checkout.up(check=False)
    return checkout.logs("web")


@shows("DEBUG has value 'maybe'. Expected true or false (or yes/no, on/off, 1/0).")
def wrong_word(stack):
    return said(run(sys.executable, "manage.py", "check", cwd=stack.path, check=False, DEBUG="maybe"))


@shows("… has ambiguous lines: Compose and Django read different values")
def ambiguous_line(checkout):
    (checkout.path / ".env").write_text("POSTGRES_DB=app # ours\n")
    return said(run(sys.executable, "manage.py", "check", cwd=checkout.path, check=False))


@shows("SECRET_KEY is not set. It is required while DEBUG is off. …")
def no_key(stack):
    return said(run(sys.executable, "manage.py", "check", cwd=stack.path, check=False, DEBUG="false"))


@shows('… password authentication failed for user "app"')
def new_password(checkout):
    checkout.up()
    write_env(checkout, POSTGRES_PASSWORD="another")
    checkout.up()
    checkout.get()
    return checkout.logs("web")


@shows('… database "…" does not exist')
def new_database(stack):
    words = ["run", "--rm", "--no-deps", "--env=POSTGRES_DB=other", "web", "python", "manage.py", "showmigrations"]
    return said(stack.compose(*words, check=False))


@shows('relation "pages_note" does not exist…')
def missing_table(checkout):
    checkout.up()
    checkout.manage("migrate", "pages", "zero")
    return checkout.get()[1]


@shows("failed to resolve host 'db': …")
def outside(stack):
    words = ["manage.py", "showmigrations"]
    return said(run(sys.executable, *words, cwd=stack.path, check=False, DEBUG="true", POSTGRES_HOST="db"))


def answer(stack, headers, data=None, path="/"):
    request = urllib.request.Request(f"http://127.0.0.1:{stack.port}{path}", data, headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    return caught.value.read().decode()


@shows("Invalid HTTP_HOST header: '…'. You may need to add '…' to ALLOWED_HOSTS.")
def unknown_host(stack):
    return answer(stack, {"Host": "phone.example"})


@shows("Origin checking failed - … does not match any trusted origins.")
def unknown_origin(stack):
    return answer(stack, {"Origin": "https://shop.example"}, b"text=a")


@shows("Empty reply from server")
def inner_loopback(stack):
    port, name = free_port(), f"{stack.name}-inner"
    server = ["python", "-m", "http.server", "--bind=127.0.0.1", "8000"]
    run(
        "docker",
        "run",
        "--detach",
        "--rm",
        f"--name={name}",
        f"--publish=127.0.0.1:{port}:8000",
        "python:3.12-slim",
        *server,
    )
    try:
        seen = said(run("curl", "--silent", "--show-error", f"http://127.0.0.1:{port}/", check=False))
    finally:
        run("docker", "rm", "--force", name)
    # Which of the two curl sees depends on who is faster, it or the engine's proxy.
    return seen.replace("Recv failure: Connection reset by peer", "Empty reply from server")


@shows("ModuleNotFoundError: No module named '…'")
def no_package(stack):
    return said(stack.compose("exec", "-T", "web", "python", "-c", "import nosuchpackage", check=False))


@shows("You have … unapplied migration(s). …")
def unapplied_migration(checkout):
    checkout.up()
    checkout.manage("migrate", "pages", "zero")
    checkout.compose("restart", "web")
    wait_for(lambda: "unapplied" in checkout.logs("web"), "the server to say what is not applied")
    return checkout.logs("web")


@shows("PermissionError: [Errno 13] Permission denied: '…'")
def foreign_file(copies):
    if os.geteuid():
        pytest.skip("only root can give a file away")
    checkout = copies(owner=4321)
    migrations = checkout.path / "apps/pages/migrations"
    models = checkout.path / "apps/pages/models.py"
    os.chown(migrations, 0, 0)
    models.write_text(models.read_text().replace("max_length=200", "max_length=300"))
    try:
        return said(checkout.compose("run", "--rm", "web", "python", "manage.py", "makemigrations", check=False))
    finally:
        checkout.remove()


@shows("the input device is not a TTY")
def no_terminal(stack):
    return said(run("docker", "exec", "-it", stack.container("web"), "true", check=False))


@shows("Error: That port is already in use.")
def port_of_a_process(stack):
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = ["manage.py", "runserver", str(server.getsockname()[1])]
        return said(run(sys.executable, *words, cwd=stack.path, check=False, DEBUG="true", timeout=60))


@shows("Django is not installed for this Python. …")
def no_django(stack):
    bare = shutil.which("python3", path="/usr/bin") or pytest.skip("there is no Python without Django here")
    return said(run(bare, "-S", "manage.py", "check", cwd=stack.path, check=False))


def headings():
    return re.findall(r"^### `(.+)`$", (ROOT / "docs/troubleshooting.md").read_text(), re.M)


def test_every_heading_has_a_cause_here():
    assert sorted(headings()) == sorted(CAUSES)


@pytest.mark.parametrize("message", CAUSES)
def test_message_is_what_one_sees(message, request):
    cause = CAUSES[message]
    (fixture,) = inspect.signature(cause).parameters

    output = cause(request.getfixturevalue(fixture))

    plain = re.sub(r"<[^>]+>|\x1b\[[0-9;]*m", "", output).replace("&#x27;", "'").replace("&quot;", '"')
    assert re.search(line_pattern(message), plain), plain[-3000:]
