"""Restores: a backup is loaded into a second database, which then takes the name of the present one."""

import contextlib
import os
import subprocess
import threading
import time

from django_compose_stack.data.backups import shown, stamp
from django_compose_stack.data.server import RETURN, identifier, literal
from django_compose_stack.host.process import Failure

READ_TIMEOUT = 10  # seconds, besides those for the size
PAUSE = 0.1  # seconds
SLOWEST = 1_000_000  # bytes a second; reading alone takes a small part of that
JOBS = 4  # tables and indexes that are made at the same time, where there are as many processors
ENDLESS = "pg_restore does not finish reading it"


def check_content(server, incoming):
    """Return why a loaded database cannot be this project's; empty if it can.

    Its migrations must be those of the present database, or fewer, or more. Another project's are none of these.
    """
    found = server.migrations(incoming)
    if not found:
        return "it has no migrations, so it is not the database of a Django project"
    present = server.migrations(server.database)
    if present and not (found <= present or found >= present):
        strange = sorted(found - present)
        return f"it is of another project: {strange[0]} was applied there, and {sorted(present - found)[0]} was not"
    return ""


def unreadable(server, path, there):
    """Return why pg_restore cannot read a backup to its end; empty if it can.

    It has a time limit, because pg_restore reads for ever if a damaged file gives a block a wrong length.
    """
    seconds = READ_TIMEOUT + path.stat().st_size // SLOWEST
    words = [*server.bound(seconds), "pg_restore", "--file=/dev/null", there]
    try:
        done = server.run(*words, stderr=subprocess.PIPE, text=True, timeout=2 * seconds)
    except subprocess.TimeoutExpired:
        return ENDLESS
    return (done.stderr.strip() or ENDLESS) if done.returncode else ""


def restore(server, path):
    """Load a backup, which `whole` has checked, and make it the database. If that fails, nothing changes."""
    with server.brought(path) as there:
        before = exchange(server, path, there)
    print(f"Restored {shown(path)}. The database as it was before is kept as {before}: make restore-undo takes it")
    print("back, make restore-forget drops it. Migrations that the backup lacks: make migrate")


def exchange(server, path, there):
    """Restore a backup, and return the name under which the database of before is kept.

    there: the name of the file where the server runs.
    """
    refused = f"{path} was not restored, and the database is as it was"
    if problem := unreadable(server, path, there):
        raise Failure(f"{refused}:\n{problem}", "take another one of: make backups")
    incoming = f"{server.database}_incoming"
    server.sql(f"DROP DATABASE IF EXISTS {identifier(incoming)} WITH (FORCE)")
    server.sql(f"CREATE DATABASE {identifier(incoming)} OWNER {identifier(server.user)} TEMPLATE template0")
    try:
        # As the owner: whatever functions the file has, they do not run as a superuser.
        words = ["pg_restore", "--exit-on-error", "--no-owner", "--no-acl", "--username", server.user]
        words += [f"--jobs={min(os.cpu_count() or 1, JOBS)}", *prepare_extensions(server, there, incoming)]
        done = server.run(*words, "--dbname", incoming, there, stderr=subprocess.PIPE, text=True)
        problem = done.stderr.strip() if done.returncode else check_content(server, incoming)
        if problem:
            raise Failure(f"{refused}:\n{problem}", "take another one of: make backups")
        server.sql("ANALYZE", incoming)
        return swap(server, incoming)
    finally:
        server.sql(f"DROP DATABASE IF EXISTS {identifier(incoming)} WITH (FORCE)")


def prepare_extensions(server, there, incoming):
    """Make the extensions of the present database that only a superuser may make, and return options for pg_restore.

    These leave out the comments on extensions, which are the superuser's.
    """
    if server.admin == server.user:
        return []
    trusted = (
        "SELECT FROM pg_available_extension_versions v WHERE v.name = extname AND v.version = extversion AND v.trusted"
    )
    create = "format('CREATE EXTENSION %I SCHEMA %I CASCADE', extname, nspname)"
    query = f"SELECT {create} FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace"
    query += f" WHERE extname <> 'plpgsql' AND NOT EXISTS ({trusted})"
    statements = server.sql(query, server.database)
    if not statements:
        return []
    schemas = "SELECT format('CREATE SCHEMA IF NOT EXISTS %I', nspname) FROM pg_extension"
    schemas += " JOIN pg_namespace n ON n.oid = extnamespace WHERE nspname <> 'pg_catalog'"
    schemas = server.sql(schemas, server.database)
    server.sql(";\n".join([*schemas.splitlines(), *statements.splitlines(), ""]), incoming, server.admin)
    listed = server.output("pg_restore", "--list", there).splitlines()
    wanted = [line for line in listed if " COMMENT - EXTENSION " not in line]
    server.output("sh", "-c", "cat >/tmp/restore.list", input="\n".join(wanted) + "\n")
    return ["--use-list=/tmp/restore.list"]


def swap(server, incoming):
    """Make `incoming` the database, and return the name under which the present one is kept.

    Both names change in one transaction: after a crash, both have changed or neither has. From its first statement on
    nobody can connect to the database; a second session ends the connections that exist.
    """
    before = f"{server.database}_before_{stamp()}"
    # If a restore is undone within the same second.
    while before in kept(server):
        before += "-2"
    name = identifier(server.database)
    ending = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {literal(server.database)}"
    try:
        with repeating(lambda: server.sql(ending)):
            server.sql(f"""
                BEGIN;
                ALTER DATABASE {name} RENAME TO {identifier(before)};
                ALTER DATABASE {identifier(incoming)} RENAME TO {name};
                COMMIT;
            """)
    except Failure as failure:
        # The names may have been exchanged before the server crashed.
        if before not in once_it_answers(server, kept):
            raise Failure(f"the database is as it was:\n{failure}", "run this again") from failure
    return before


@contextlib.contextmanager
def repeating(action):
    """Call action() again and again beside what is done meanwhile, also where it fails."""
    done = threading.Event()

    def repeat():
        while not done.wait(PAUSE):
            with contextlib.suppress(Failure):
                action()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def once_it_answers(server, ask, *others):
    """Return ask(server), once the server answers again, which may have crashed.

    others: errors, besides Failure, after which it is tried again.
    """
    deadline = time.monotonic() + RETURN
    while True:
        try:
            server.connect()
            return ask(server)
        except (Failure, *others):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def kept(server):
    """Return the names of the databases that restores have kept, oldest first."""
    pattern = literal(f"^{server.database}_before_[0-9-]+$")
    return server.sql(f"SELECT datname FROM pg_database WHERE datname ~ {pattern} ORDER BY 1").split()


def undo(server):
    names = kept(server)
    if not names:
        raise Failure("no restore has kept a database", "take one of: make backups")
    before = swap(server, names[-1])
    print(f"{names[-1]} is the database again. The one of the restore is kept as {before}")


def forget(server):
    for name in kept(server):
        server.sql(f"DROP DATABASE {identifier(name)} WITH (FORCE)")
        print(f"Dropped {name}")
