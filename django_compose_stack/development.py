"""The everyday commands, the same with Docker and without. With Docker, each prints the command that it stands for."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import webbrowser
from functools import partial
from pathlib import Path

from django_compose_stack.host import apart
from django_compose_stack.host.mode import is_inside, mode
from django_compose_stack.host.process import die, exit_at_signals, must, output, run, say, show, wait_until
from django_compose_stack.host.project import COMPOSE, LAYOUT, ROOT, program

DEBUG_PORT = 5678
TRIES = 5
HEALTH = "--format={{.State.Health.Status}}"
HEALTH_TIMEOUT = 60  # seconds
PROJECT = '{{.Label "com.docker.compose.project"}}\t{{.Label "com.docker.compose.project.working_dir"}}'
# Lets an editor attach to debugpy on this machine.
DEBUG = f"""\
services:
  web:
    environment:
      DEVSERVER_DEBUGPY: 0.0.0.0:{DEBUG_PORT}
    ports:
      - 127.0.0.1:{DEBUG_PORT}:{DEBUG_PORT}
"""


def native(*words, **variables):
    must(*program("native", *words), env={**os.environ, **variables})


def up_with(overlay, **variables):
    """Start everything with a Compose file laid over the others until the next `make up`."""
    # compose.override.yaml belongs to a compose.yaml of the project's own, if the stack has another file.
    own = ["compose.override.yaml"] if COMPOSE == "compose.yaml" else []
    names = [name for name in (COMPOSE, *own) if (ROOT / name).exists()]
    files = [word for name in (*names, "-") for word in ("-f", name)]
    up = ["docker", "compose", *files, "up", "--build", "--wait"]
    must(*up, input=overlay.encode(), env={**os.environ, **variables})


def url():
    """Return the address of the page in development; empty if it does not run."""
    if mode() == "native":
        return output(*program("native", "url"))
    address = output("docker", "compose", "port", "web", "8000")
    return f"http://{re.sub(r'^0.0.0.0', '127.0.0.1', address)}" if address else ""


def up():
    if mode() == "native":
        return native("up")
    here = Path(os.path.realpath(str(ROOT)))
    listed = output("docker", "ps", "--all", f"--format={PROJECT}", "--filter=label=com.docker.compose.oneoff=False")
    apart.keep_apart(here, [tuple(line.split("\t")) for line in listed.splitlines()])
    is_chosen = bool(apart.setting("WEB_PORT"))
    for _ in range(TRIES):
        # Several checkouts that start at once find the same free port. Then all but one try again.
        if not is_chosen and not web_container():
            apart.claim(has_engine=True)
        if not run("docker", "compose", "up", "--build", "--wait").returncode:
            print(f"Running at {url()}")
            return
        if is_chosen or not apart.is_taken(apart.of_page(), has_engine=True):
            break
    run(*program("doctor"), stdout=sys.stderr)
    sys.exit(1)


def debug():
    from django_compose_stack.scaffold import starter

    for name, content in starter.contents("debug").items():
        if not (ROOT / name).exists():
            (ROOT / name).parent.mkdir(exist_ok=True)
            (ROOT / name).write_bytes(content)
            say(f"wrote {name}. It is yours now: commit it")
    if mode() == "native":
        native("stop", "web")
        return native("up", DEVSERVER_DEBUGPY=str(DEBUG_PORT))
    up_with(DEBUG)


def down():
    # A server from a time without an engine, or from MODE=native, would go on holding the port.
    if mode() == "native" or (not os.environ.get("MODE") and runs_natively()):
        native("down")
    if mode() != "native":
        show("docker", "compose", "--profile", "*", "down")


def runs_natively():
    if os.name == "nt":
        return False
    from django_compose_stack.native.web import SERVER  # needs fcntl

    return SERVER.running() is not None


def stack(*words):
    """Run a command that Compose, native mode and production all have."""
    if mode() == "native":
        native(*words)
    elif mode() == "production":
        from django_compose_stack.production import rehearsal

        getattr(rehearsal, words[0])(*words[1:])
    else:
        show("docker", "compose", *words)


def open_page():
    address = url()
    if not address:
        die("nothing runs here. Try: make up")
    # Linux has the first, macOS the second. On Windows Python itself starts a browser.
    for name in ("xdg-open", "open"):
        if shutil.which(name) and not run(name, address, stderr=subprocess.DEVNULL).returncode:
            return
    if os.name != "nt" or not webbrowser.open(address):
        print(f"Open {address}")


def web_container():
    """Return the name of the running web container of this checkout; empty if there is none."""
    labels = {"project.working_dir": os.path.realpath(ROOT), "service": "web", "oneoff": "False"}
    if apart.project_name():
        labels["project"] = apart.project_name()
    filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    return output("docker", "ps", "--format={{.Names}}", *filters).partition("\n")[0]


def in_web(*words):
    """Run a command where the code runs: in the web container if it runs, which is faster, else in a new one."""
    if is_inside():
        return must("as-owner", *words)
    # A running container also tells the mode, and to look for one takes a tenth of a second.
    container = "" if os.environ.get("MODE") in ("native", "production") else web_container()
    if container:
        terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
        # `exec` enters as root; as-owner becomes the owner of the checkout.
        show("docker", "exec", "--interactive", *terminal, container, "as-owner", *words)
    elif mode() == "native":
        native(*words)
    elif mode() == "production":
        from django_compose_stack.production import rehearsal

        rehearsal.execute("web", *words)
    else:
        show("docker", "compose", "run", "--rm", "web", *words)


def manage(*words):
    in_web("python", "manage.py", *words)


def dbshell():
    from django_compose_stack.services import database

    chosen = database.chosen()
    if mode() == "native":
        # Native mode starts no other server than Postgres, and has no other client.
        return native(*(["psql"] if chosen is database.POSTGRES else ["python", "manage.py", "dbshell"]))
    shell = ["sh", "-c", chosen.shell]
    if mode() == "production":
        from django_compose_stack.production import rehearsal

        return rehearsal.execute("db", *shell)
    must("docker", "compose", "exec", "db", *shell)


def lint():
    in_web("ruff", "check")
    in_web("ruff", "format", "--check")


def format_code():
    in_web("ruff", "check", "--fix")
    in_web("ruff", "format")


def check():
    manage("check")
    manage("makemigrations", "--check", "--dry-run")


def test(*options):
    """Run the tests on a database server of their own, in memory, which ends with them."""
    from django_compose_stack.services.command import test_variables
    from django_compose_stack.services.database import chosen

    variables = [] if LAYOUT else test_variables()
    pytest = [*(["env", *variables] if variables else []), "pytest", *options]
    if is_inside():
        return in_web(*pytest)
    if mode() == "native":
        return native("--test", *pytest)
    # A project that `init` added the stack to has its own way to run its tests, and settings for them.
    setting = f"DJANGO_SETTINGS_MODULE={LAYOUT['test-settings']}" if LAYOUT else f"{chosen().host}=db-test"
    command = ["docker", "compose", "run", "--rm", "--build", "--no-deps"]
    command += [*(word for each in (setting, *variables) for word in ("--env", each)), "web"]
    command += [*LAYOUT.get("test", "pytest").split(), *options]
    if LAYOUT.get("database", "postgres") != "postgres":
        return show(*command)
    show("docker", "compose", "up", "--wait", "--quiet-pull", "db-test")
    try:
        # Such a project's Compose file has this variable in the place of the host.
        show(*command, env={**os.environ, "DB_SERVICE": "db-test"})
    finally:
        run("docker", "compose", "rm", "--force", "--stop", "--volumes", "db-test", stderr=subprocess.DEVNULL)


# Its argument is a variable of the process to end.
END_WATCH = """
import os, pathlib, signal, sys
for path in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if b"watch" in path.joinpath("cmdline").read_bytes().split(b"\\0"):
            if sys.argv[1].encode() in path.joinpath("environ").read_bytes().split(b"\\0"):
                os.kill(int(path.name), signal.SIGTERM)
    except OSError:
        pass
"""


def watch(*options):
    """Run the tests that each save concerns, on a Postgres of their own, in memory, which ends with them."""
    from django_compose_stack.services.command import test_variables
    from django_compose_stack.services.database import POSTGRES, chosen

    if chosen() is not POSTGRES:
        # Runs that overlap need databases of names of their own, which only its templates give.
        die(f"watch is for Postgres, and this project has {chosen().title}. Run the tests with: make test")
    tests = LAYOUT.get("test", "pytest")
    if not tests.startswith("pytest"):
        die("watch needs pytest with pytest-django, and this project's tests run by another program")
    variables = [] if LAYOUT else test_variables()
    command = ["python", "-m", "django_fast_reload", "watch", *tests.split()[1:], *options]
    if is_inside() or mode() == "native":
        words = [*(["env", *variables] if variables else []), *command]
        # In the place of this program: Control-C is for the tests alone.
        return in_web(*words) if is_inside() else os.execv(sys.executable, program("native", "--test", *words))
    name = f"watch-{secrets.token_hex(4)}"
    server = container = ""
    exit_at_signals()
    try:
        if LAYOUT.get("database", "postgres") == "postgres":
            # A server of its own: that of `make test` ends with it.
            server = f"db-{name}"
            start = ["docker", "compose", "run", "--detach", "--rm", "--no-deps", f"--name={server}", "db-test"]
            show(*start, stdout=subprocess.DEVNULL)
            # A container that has ended is gone, and has no state.
            state = partial(output, "docker", "inspect", HEALTH, server)
            wait_until(lambda: state() != "starting", HEALTH_TIMEOUT, 0.1)
            if state() != "healthy":
                die("the Postgres of the tests does not start. See why: docker compose run --rm --no-deps db-test")
        setting = f"DJANGO_SETTINGS_MODULE={LAYOUT['test-settings']}" if LAYOUT else f"POSTGRES_HOST={server}"
        settings = [word for each in (setting, *variables) for word in ("--env", each)]
        # Without a terminal `exec` passes no signal on.
        container = web_container() if sys.stdin.isatty() and sys.stdout.isatty() and not LAYOUT else ""
        if container:
            show("docker", "exec", "--interactive", "--tty", *settings, container, "as-owner", *command)
        else:
            start = ["docker", "compose", "run", "--rm", "--build", "--no-deps", f"--name={name}", *settings, "web"]
            show(*start, *command, env={**os.environ, "DB_SERVICE": server})
    finally:
        # Where the terminal was closed, Docker leaves what ran in it.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if container:
            run("docker", "exec", container, "as-owner", "python", "-c", END_WATCH, setting, **quiet)
        run("docker", "rm", "--force", "--volumes", name, *([server] if server else []), **quiet)


def reset():
    """Delete the database, after a backup."""
    must(*program("backup"))
    if mode() == "native":
        return native("reset")
    show("docker", "compose", "--profile", "*", "down", "--volumes")
