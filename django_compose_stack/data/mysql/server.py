"""The servers of MySQL and MariaDB that the data commands work on."""

import gzip
import os
import shutil
import subprocess

from django_compose_stack.data import server
from django_compose_stack.host.process import Failure
from django_compose_stack.services.database import chosen

ADMIN = "root"  # It has no password and so logs in inside the container alone.
END = b"-- Dump completed"  # what both programs write last
PROGRAMS = {"mariadb": ("mariadb", "mariadb-dump"), "mysql": ("mysql", "mysqldump")}
DUMP = [
    *("--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob", "--no-tablespaces"),
    "--default-character-set=utf8mb4",
]
# mysqldump alone knows it: the number of a transaction belongs to a server, not to its data.
OWN_OPTIONS = {"mariadb": [], "mysql": ["--set-gtid-purged=OFF"]}


def literal(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name):
    return "`" + name.replace("`", "``") + "`"


class MySQL:
    """What differs from Postgres in a server of compose.yaml or compose.prod.yaml."""

    suffix = ".sql.gz"

    def enter(self, container):
        self.container = container
        prefix = server.inside(container)
        user, database = server.names(prefix, "MYSQL_USER", "MYSQL_DATABASE")
        server.Server.__init__(self, prefix, user, database, ADMIN)
        self.kind = chosen()
        self.client, self.dumper = PROGRAMS[self.kind.name]

    def sql(self, statements, database="mysql"):
        """Run SQL as root, one statement after the other up to the first that fails; return the rows, tabs between."""
        words = [self.client, f"--user={ADMIN}", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"]
        return self.output(*words, database, input=statements)

    def dump(self, file):
        """Write all of the database to a binary file. Raises Failure."""
        words = [self.dumper, f"--user={ADMIN}", *DUMP, *OWN_OPTIONS[self.kind.name], self.database]
        packed = gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0)
        with packed, subprocess.Popen([*self.prefix, *words], stdout=subprocess.PIPE) as process:
            shutil.copyfileobj(process.stdout, packed)
        if process.returncode:
            raise Failure(f"{self.dumper} failed, see above; no backup was written", "make doctor")

    def check_dump(self, path):
        if problem := unreadable(path):
            raise Failure(f"{problem}; no backup was written", "make backup again")

    def usage(self):
        sizes = "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema"
        used = "SELECT COUNT(*) FROM information_schema.processlist WHERE command <> 'Daemon'"
        query = f"SELECT VERSION(), ({sizes} = {literal(self.database)}), ({used}), @@max_connections"
        number, *numbers = self.sql(query).split("\t")
        return (f"{self.kind.title} {number}", *map(int, numbers))

    def migrations(self, database):
        columns = "SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'django_migrations'"
        if self.sql(f"{columns} AND column_name IN ('app', 'name') AND table_schema = {literal(database)}") != "2":
            return None
        return set(self.sql("SELECT CONCAT(app, '.', name) FROM django_migrations", database).split())

    def set_password(self, password):
        self.sql(f"ALTER USER {literal(self.user)}@'%' IDENTIFIED BY {literal(password)}")

    def is_superuser(self):
        return False

    def load(self, path, user, password, database):
        """Run a dump as a user; return the client's error, empty where there is none.

        The client runs no command of its own that stands in the file, such as one for a shell.
        """
        words = [self.client, f"--user={user}", "--binary-mode", "--default-character-set=utf8mb4", database]
        command = [*self.prefix[:2], "--env=MYSQL_PWD", *self.prefix[2:], *words]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, env={**os.environ, "MYSQL_PWD": password}, **pipes) as process:
            try:
                with gzip.open(path) as packed, process.stdin as pipe:
                    shutil.copyfileobj(packed, pipe)
            except BrokenPipeError:
                pass  # It has ended before, and says why.
            error = process.stderr.read().decode(errors="replace").strip()
        return error or f"{self.client} failed" if process.returncode else ""


def unreadable(path):
    """Return why a dump is not whole; empty where it is."""
    last = b""
    try:
        with gzip.open(path) as packed:
            while chunk := packed.read(1 << 20):
                last = (last + chunk)[-1000:]
    except (OSError, EOFError, ValueError) as error:
        return f"it is no dump packed by gzip, or damaged: {error}"
    except Exception as error:  # zlib.error has no other base.
        return f"it is damaged: {error}"
    if END not in last:
        return "it does not end as a dump ends, so something is missing"
    return ""


class Docker(MySQL, server.Docker):
    """That of compose.yaml."""

    def password(self):
        return self.services()["db"]["environment"]["MYSQL_PASSWORD"]


class Production(MySQL, server.Production):
    """That of compose.prod.yaml."""


class Native:
    """Native mode starts none."""

    def __init__(self):
        name = chosen().title
        problem = f"native mode starts no {name}, and the data commands know only the one of Compose"
        raise Failure(
            problem, f"use the programs of your {name} server: mariadb-dump and mariadb, or mysqldump and mysql"
        )


SERVERS = {"docker": Docker, "native": Native, "production": Production}
