"""The commands of native mode. They have the names of Compose's commands, and do the same without containers.

Modules that only some commands need are imported inside them, because imports at the top delay every command.
"""

import contextlib
import os
import signal
import subprocess
import sys

from django_compose_stack.host import apart
from django_compose_stack.host.process import Failure, say
from django_compose_stack.host.project import ROOT
from django_compose_stack.native import postgres, web, worker
from django_compose_stack.native.common import STATE, one_at_a_time, one_checkout_at_a_time
from django_compose_stack.native.environment import LOCK, VENV, remove
from django_compose_stack.services.database import POSTGRES, chosen

USAGE = """\
Native mode, without Docker. Each begins with: python3 .stack native
CMD...              run CMD, with the database running
--test CMD...       the same with an empty database of its own, in memory, removed when CMD ends
up                  start the database and the web server, wait until the page answers; the worker too, if there is one
stop [SERVICE]      stop all, or one of: db, web, worker
restart [SERVICE]   stop, then start again
down                stop all; the database stays
ps                  show what is running, and where
logs [-f] [SERVICE] show the logs; -f follows them
url                 print the address of the page
reset               stop all and DELETE the database
"""


# Programs that ask no database.
WITHOUT_DATABASE = ("true", "ruff", "uv")


class Variables:
    """What native mode reads from the environment and .env, as Django reads it."""

    def __init__(self):
        # Not at the top: servers can be stopped without Django.
        from django_compose_stack.env import Env, InvalidVariable

        try:
            Env.read_file(ROOT / ".env")
            env = Env()
            self.elsewhere = "DATABASE_URL" if env.str("DATABASE_URL", default="") else ""
            self.foreign = "" if chosen() is POSTGRES else chosen().title
            if self.foreign and env.str("MYSQL_HOST", default=""):
                self.elsewhere = self.elsewhere or "MYSQL_HOST"
            self.role = env.str("POSTGRES_USER", default="app")
            self.database = env.str("POSTGRES_DB", default="app")
            self.tests = env.str("DEVSERVER_TESTS", default="")
            self.debug_is_set = bool(env.str("DEBUG", default=""))
            host = env.str("WEB_HOST", default="127.0.0.1")
            port = env.int("WEB_PORT", default=8000, low=1, high=65535)
        except InvalidVariable as error:
            sys.exit(f"stack: {error}")
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def environment(self, server, needs_database=True):
        """Return the environment of a command, with `server` running and prepared.

        Raises Failure where the project has another database than Postgres, nothing says where, and it is needed.
        """
        path = os.pathsep.join([str(VENV / "bin"), str(postgres.BIN), os.environ.get("PATH", os.defpath)])
        result = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(VENV)}
        result["DEVSERVER_REQUIREMENTS"] = str(LOCK.relative_to(ROOT))
        result["DEVSERVER_TESTS"] = self.tests
        result.pop("PYTHONHOME", None)
        if not self.debug_is_set:
            result["DEBUG"] = "true"
        if self.foreign and not self.elsewhere:
            if needs_database:
                raise Failure(
                    f"the project has {self.foreign}, and native mode starts no other database than Postgres",
                    f"start a {self.foreign} server yourself, and write MYSQL_HOST=127.0.0.1, with its MYSQL_USER and "
                    f"MYSQL_PASSWORD, into .env; or make up MODE=docker; or make remove SERVICE={chosen().name}",
                )
        elif not self.elsewhere:
            if not (server.is_current() and server.knows(self.role, self.database)):
                with one_at_a_time():
                    server.start()
                    server.prepare(self.role, self.database)
            result.update(server.variables(self.role, self.database))
        return result


def run(*words):
    """Replace this process by the command. Returns an exit status only if it cannot start."""
    needs_database = not (words[0] in WITHOUT_DATABASE or "write-locks" in words)
    environment = Variables().environment(postgres.development(), needs_database)
    os.chdir(ROOT)
    try:
        os.execvpe(words[0], words, environment)
    except OSError as error:
        return cannot_start(words[0], error)


def run_test(words):
    """Run the command on a temporary database, and return its exit status."""
    from django_compose_stack.native import testing

    variables = Variables()
    # Of another database the tests make one of their own on the server that there is.
    with contextlib.nullcontext() if variables.foreign else testing.throw_away() as server:
        environment = variables.environment(server)
        # The terminal sends Ctrl-C to the command too, which handles it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            command = subprocess.Popen(
                words, cwd=ROOT, env=environment, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
            )
        except OSError as error:
            return cannot_start(words[0], error)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: command.send_signal(number))
        status = command.wait()
    return status if status >= 0 else 128 - status


def cannot_start(name, error):
    """Print why a command cannot start, and return the exit status that a shell would return."""
    missing = isinstance(error, FileNotFoundError)
    print(f"stack: {name}: {'command not found' if missing else error.strerror}", file=sys.stderr)
    return 127 if missing else 126


def up():
    is_chosen = bool(apart.setting("WEB_PORT"))
    environment = Variables().environment(postgres.development())
    with one_checkout_at_a_time():
        with one_at_a_time():
            if not is_chosen and not web.SERVER.running():
                apart.claim(has_engine=False)
            address = Variables().address
            is_up = (web.SERVER.running() or ("", ""))[1] == address
            if not is_up:
                web.SERVER.stop()
                web.start(address, environment)
        web.wait(address)
    if worker.is_wanted():
        worker.start(environment)
    print(f"{'Already running' if is_up else 'Running'} at {web.url(address)}")


def stop(*services):
    chosen = services or SERVICES
    with one_at_a_time():
        if "worker" in chosen:
            worker.WORKER.stop()
        if "web" in chosen:
            web.SERVER.stop()
        if "db" in chosen:
            postgres.development().stop()


def restart(*services):
    stop(*services)
    if services == ("db",):
        Variables().environment(postgres.development())
    else:
        up()


def down():
    from django_compose_stack.native import testing

    stop()
    testing.sweep()


def reset():
    down()
    with one_at_a_time():
        # Renamed first: a partly deleted database must never be used.
        deleted = STATE / "deleted"
        remove(deleted)
        folder = postgres.development().folder
        if folder.exists():
            folder.rename(deleted)
            remove(deleted)
    say("the database was deleted; the next command starts with an empty one")


def ps():
    elsewhere = Variables().elsewhere
    server, runs = postgres.development(), web.SERVER.running()
    rows = [("db", elsewhere or (f"127.0.0.1:{server.port}" if server.is_ready() else ""))]
    rows.append(("web", web.url(runs[1]) if runs else ""))
    if worker.is_wanted():
        runs = worker.WORKER.running()
        rows.append(("worker", f"process {runs[0]}" if runs else ""))
    print(f"{'SERVICE':9} {'STATE':9} ADDRESS")
    for name, address in rows:
        print(f"{name:9} {'running' if address else 'stopped':9} {address}")


def logs(*words):
    paths = {"db": postgres.development().log, "web": web.SERVER.log, "worker": worker.WORKER.log}
    chosen = [word for word in words if word in paths] or [*paths]
    files = [str(paths[name]) for name in chosen if paths[name].exists()]
    if not files:
        raise Failure("there is no log yet", "Start the servers first: make up")
    os.execvp("tail", ["tail", *(["-F"] if "-f" in words else []), "-n", "+1", *files])


def url():
    runs = web.SERVER.running()
    print(web.url(runs[1] if runs else Variables().address))


COMMANDS = {command.__name__: command for command in (up, stop, restart, down, ps, logs, url, reset)}
SERVICES = ("db", "web", "worker")
ARGUMENTS = {"stop": SERVICES, "restart": SERVICES, "logs": ("-f", *SERVICES)}


def main(name="", *arguments):
    """Run a command, and return its exit status."""
    if name == "--test" and arguments:
        return run_test(arguments)
    if name in ("", "-h", "--help", "--test"):
        is_asked = name in ("-h", "--help")
        print(USAGE, end="", file=sys.stdout if is_asked else sys.stderr)
        return 0 if is_asked else 2
    if name not in COMMANDS:
        return run(name, *arguments)
    unknown = [word for word in arguments if word not in ARGUMENTS.get(name, ())]
    if unknown:
        print(f"stack: {name}: unknown argument {unknown[0]!r}\n{USAGE}", end="", file=sys.stderr)
        return 2
    COMMANDS[name](*arguments)
    return 0
