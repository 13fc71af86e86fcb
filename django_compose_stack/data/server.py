"""The servers that the data commands work on: native mode's, that of compose.yaml, that of compose.prod.yaml."""

import contextlib
import os
import subprocess

from django_compose_stack.host.lock import WAIT, held
from django_compose_stack.host.process import Failure, must, must_output, output, parse_config, run, say, wait_until
from django_compose_stack.host.project import ROOT, program
from django_compose_stack.production import engine as production
from django_compose_stack.production import release, swarm
from django_compose_stack.services.database import POSTGRES, chosen

# The superuser, which has no password and so logs in over the socket alone.
ADMIN = "postgres"
VOLUME = POSTGRES.folder
RETURN = 90  # seconds for a server that died to answer again


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def inside(container):
    return ("docker", "exec", "--interactive", container)


class Server:
    """A running server, whose programs need no password.

    prefix: the words that make the command behind them run where the server runs.
    user: the owner of the database. admin: who makes databases and roles; the same, where the owner may do that.
    """

    folder = ROOT / "backups"
    copy = ROOT / ".native/restore.dump"
    suffix = ".dump"  # of backups
    rights = "CREATEDB"  # of the owner: tests make databases

    def __init__(self, prefix, user, database, admin=None):
        self.prefix = prefix
        self.user = user
        self.database = database
        self.admin = admin or user

    def run(self, *words, **options):
        return run(*self.prefix, *words, **options)

    def bound(self, seconds):
        """Return the words that limit a command to some seconds, where it would outlive `run`."""
        return ()

    @contextlib.contextmanager
    def brought(self, path):
        """Give the name of a copy of a file, for the server's programs that cannot read it from a pipe.

        A killed restore leaves its copy, which the next one overwrites.
        """
        try:
            with path.open("rb") as file:
                self.output("sh", "-c", 'umask 077 && cat >"$1"', "sh", str(self.copy), stdin=file)
            yield str(self.copy)
        finally:
            self.run("rm", "-f", str(self.copy), stderr=subprocess.DEVNULL)

    def output(self, *words, **options):
        """Return what a command prints, stripped. Raises Failure with its error if it fails."""
        return must_output(f"{words[0]} failed", "see its message above", *self.prefix, *words, **options)

    def sql(self, statements, database="postgres", user=None):
        """Run SQL, one statement after the other, and return the rows as psql -At prints them.

        user: by default the owner, so that nothing in a database is run by a superuser; in "postgres" the admin.
        """
        user = user or (self.admin if database == "postgres" else self.user)
        words = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "--username", user, "--dbname", database]
        return self.output(*words, input=statements)

    def dump(self, file):
        """Write all of the database to a binary file. Raises Failure."""
        # The lightest compression takes a third of the time of the usual one, and has the same checksums.
        words = ["pg_dump", "--format=custom", "--compress=1", "--username", self.admin, self.database]
        if self.run(*words, stdout=file).returncode:
            raise Failure("pg_dump failed, see above; no backup was written", "make doctor")

    def check_dump(self, path):
        """Raise Failure if a dump cannot be read."""
        with path.open("rb") as file:
            self.output("pg_restore", "--list", stdin=file)

    def usage(self):
        """Return the server's name and version, the bytes of the database, its connections and how many it allows."""
        query = "SELECT current_setting('server_version'), pg_database_size(current_database()), count(*) FILTER (WHERE"
        query += " backend_type = 'client backend'), current_setting('max_connections') FROM pg_stat_activity"
        number, *numbers = self.sql(query, self.database).split("|")
        return (f"PostgreSQL {number}", *map(int, numbers))

    def migrations(self, database):
        """Return the rows of django_migrations, {"app.name"}; None if the database has no such table."""
        columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'"
        columns += " AND table_name = 'django_migrations' AND column_name IN ('app', 'name')"
        if self.sql(columns, database) != "2":
            return None
        return set(self.sql("SELECT app || '.' || name FROM django_migrations", database).split())

    def set_password(self, password):
        # Over the socket, which needs no password. By standard input, so that no list of processes shows it.
        self.sql(f"ALTER ROLE {identifier(self.user)} PASSWORD {literal(password)}")

    def is_superuser(self):
        """Return whether the owner is one, as in volumes that were made before it was none."""
        return self.sql(f"SELECT rolsuper FROM pg_roles WHERE rolname = {literal(self.user)}") == "t"

    def rows(self):
        """Return how many rows each table has, as {"schema.table": "count"}."""
        listed = self.sql(
            "SELECT format('SELECT %L, count(*) FROM %I.%I', schemaname || '.' || tablename, schemaname, tablename)"
            " FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 \\gexec",
            self.database,
            self.admin,
        )
        return dict(line.rsplit("|", 1) for line in listed.splitlines())


def names(prefix, *variables):
    """Return the values of variables where the server runs."""
    command = " ".join(f'"${name}"' for name in variables)
    problem = "cannot ask the database for the names of its user and itself"
    return must_output(problem, "make doctor", *prefix, "sh", "-c", f"printf '%s\\n' {command}").splitlines()


class Native(Server):
    """Native mode's."""

    def __init__(self):
        self.connect()

    def connect(self):
        prefix = tuple(program("native"))
        super().__init__(prefix, *names(prefix, "PGUSER", "PGDATABASE"))

    @contextlib.contextmanager
    def changing(self, what):
        """Hold the lock for a command that changes the database. Raises Failure if another command has it."""
        import fcntl  # Windows has none, and no native mode

        with (ROOT / ".native/data.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Failure("another command is changing this database", WAIT) from None
            yield


class Docker(Server):
    """That of compose.yaml, started if it does not run."""

    # Beside the data: what else a container has may be memory.
    copy = f"{VOLUME}/restore.dump"

    def __init__(self):
        self.were_up = []
        self.connect()

    def connect(self):
        self.compose("up", "--detach", "--quiet-pull", "--wait", "db")
        self.enter(self.listed("ps", "--quiet", "db"))

    def enter(self, container):
        self.container = container
        prefix = inside(container)
        user, database = names(prefix, "POSTGRES_USER", "POSTGRES_DB")
        # In volumes of before, the owner is the one superuser.
        test = ["psql", "-XqAt", "--username", ADMIN, "--dbname", "postgres", "--command", "SELECT"]
        has_admin = not run(*prefix, *test, capture_output=True).returncode
        super().__init__(prefix, user, database, ADMIN if has_admin else user)

    def bound(self, seconds):
        return ("timeout", "-s", "KILL", str(seconds))

    def changing(self, what):
        """Hold the lock for a command that changes the database. Raises Failure if another command has it."""
        template = '{{index .Config.Labels "com.docker.compose.project"}} {{.Config.Image}}'
        return held(*output("docker", "inspect", "--format", template, self.container).split(), what)

    def compose(self, *words, **variables):
        must("docker", "compose", *words, env={**os.environ, **variables})

    def listed(self, *words):
        return output("docker", "compose", *words)

    def services(self):
        return parse_config(self.listed("config", "--format=json"))["services"]

    def password(self):
        """Return the password that web will use from its next start on."""
        return self.services()["db"]["environment"]["POSTGRES_PASSWORD"]

    def users(self):
        """Return the services that use the database: web, and a worker if there is one."""
        return [name for name, each in self.services().items() if name == "web" or production.uses_database(each)]

    def running_users(self):
        running = self.listed("ps", "--services").split()
        return [name for name in self.users() if name in running]

    def stop_users(self):
        """Stop what writes to the database."""
        self.were_up = self.running_users()
        self.compose("stop", *self.users())

    def start_again(self, **variables):
        """Start db, and what used it before, with .env and these variables."""
        self.compose("up", "--detach", "--wait", "db", *self.were_up, **variables)

    def restart_users(self):
        self.were_up = self.running_users()
        self.start_again()


class Production(Docker):
    """That of compose.prod.yaml on this engine, in Compose or in a stack."""

    rights = ""

    def __init__(self, patience=RETURN):
        """patience: seconds to wait for a server that the engine is just replacing, or starting again."""
        self.folder = ROOT / "backups" / production.stack()
        self.patience = patience
        super().__init__()

    def connect(self):
        if self.is_there():
            return
        listing = production.compose("ps", "--all", "--quiet", "db")
        if self.patience and (swarm.serving() or output(*listing, env=production.environment())):
            say(f"waiting up to {self.patience} seconds for the database")
            wait_until(self.is_there, self.patience, 0.5)
        self.enter(production.container("db"))  # Where it is not there, this says what is wrong.

    def is_there(self):
        """Enter the container, and return whether the server answers."""
        with contextlib.suppress(Failure):
            self.enter(production.container("db"))
            self.sql("SELECT 1")
            return True
        return False

    def changing(self, what):
        return production.changing(what)

    def compose(self, *words, **variables):
        must(*production.compose(*words), env={**production.environment(), **variables})

    def password(self):
        return (production.SECRETS / chosen().secret).read_text().rstrip("\r\n")

    def users(self):
        return production.users()

    def stop_users(self):
        if swarm.serving():
            scale = [f"{production.stack()}_{name}=0" for name in self.users()]
            must("docker", "service", "scale", "--detach=false", *scale, stdout=subprocess.DEVNULL)
        else:
            self.compose("stop", *self.users())

    def start_again(self, **variables):
        os.environ.update(variables)
        production.forget()
        if version := swarm.serving():
            release.release(version)
        else:
            self.compose("up", "--detach", "--wait", *production.awaited())

    def restart_users(self):
        if not swarm.serving():
            # Created again, because an editor may have replaced the mounted file by another one.
            self.compose("rm", "--force", "--stop", *self.users())
        self.start_again()


SERVERS = {"docker": Docker, "native": Native, "production": Production}
