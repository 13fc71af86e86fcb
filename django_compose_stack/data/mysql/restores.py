"""Restores: a backup is loaded into a second database, whose tables then take the place of the present ones.

Neither server can rename a database. Both move any number of tables between databases in one statement, which by their
manuals happens as a whole or not at all, even if the server is killed meanwhile.
"""

import contextlib
import re
import secrets

from django_compose_stack.data.backups import shown, stamp
from django_compose_stack.data.mysql.server import identifier, literal, unreadable
from django_compose_stack.data.restores import check_content, once_it_answers, repeating
from django_compose_stack.host.process import Failure

LOCK_TIMEOUT = 60  # seconds for sessions that were killed to let go of the tables
LOADER = "stack_restore"  # the user who loads a dump: it reaches the database beside, and nothing else
# What cannot be moved to another database, with the columns of the server's list of it.
FIXED = {
    "view": "table_name FROM information_schema.views WHERE table_schema",
    "trigger": "trigger_name FROM information_schema.triggers WHERE trigger_schema",
    "routine": "routine_name FROM information_schema.routines WHERE routine_schema",
    "event": "event_name FROM information_schema.events WHERE event_schema",
}


def refuse_fixed(server, database, whose):
    """Raise Failure where a database has something that cannot be moved with its tables."""
    queries = [f"SELECT '{kind}', {query} = {literal(database)}" for kind, query in FIXED.items()]
    found = server.sql(" UNION ALL ".join(queries)).replace("\t", " ").splitlines()
    if found:
        problem = f"{whose} has the {found[0]}, and the server cannot move one to another database"
        fix = "drop it in make dbshell and create it again after the restore, or load the file by hand"
        raise Failure(f"nothing was restored: {problem}", fix)


def tables(server, database):
    """Return the names of the tables of a database, in order."""
    query = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {literal(database)}"
    return server.sql(f"{query} AND table_type <> 'VIEW' ORDER BY 1").splitlines()


def create(server, database):
    """Make an empty database, with the characters of the present one, also where an interrupted restore left one."""
    query = "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
    charset, collation = server.sql(f"{query} WHERE schema_name = {literal(server.database)}").split()
    name = identifier(database)
    server.sql(f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET {charset} COLLATE {collation}")


def drop(server, database):
    server.sql(f"DROP DATABASE IF EXISTS {identifier(database)}")


def restore(server, path):
    """Load a backup, which `whole` has checked, and make it the database. If that fails, nothing changes."""
    refused = f"{path} was not restored, and the database is as it was"
    if problem := unreadable(path):
        raise Failure(f"{refused}:\n{problem}", "take another one of: make backups")
    refuse_fixed(server, server.database, "the present database")
    incoming = f"{server.database}_incoming"
    create(server, incoming)
    try:
        problem = load(server, path, incoming) or check_content(server, incoming)
        if problem:
            raise Failure(f"{refused}:\n{problem}", "take another one of: make backups")
        refuse_fixed(server, incoming, "the backup")
        before = swap(server, incoming)
    finally:
        drop(server, incoming)
    if before:
        print(f"Restored {shown(path)}. The database as it was before is kept as {before}: make restore-undo takes it")
        print("back, make restore-forget drops it. Migrations that the backup lacks: make migrate")
    else:
        print(f"Restored {shown(path)} into a database that was empty. Migrations that it lacks: make migrate")


def load(server, path, incoming):
    """Load a dump as a user of its own: its statements reach no other database. Returns the error; empty if none."""
    user = f"{literal(LOADER)}@localhost"
    password = secrets.token_urlsafe(24)
    # In a pattern of GRANT, _ and % stand for others.
    pattern = re.sub(r"([_%])", r"\\\1", incoming)
    server.sql(
        f"DROP USER IF EXISTS {user}; CREATE USER {user} IDENTIFIED BY {literal(password)};"
        f"GRANT ALL ON {identifier(pattern)}.* TO {user};"
    )
    try:
        return server.load(path, LOADER, password, incoming)
    finally:
        server.sql(f"DROP USER IF EXISTS {user}")


def swap(server, incoming):
    """Make the tables of `incoming` those of the database; return the name under which the present ones are kept.

    All of them move in one statement. Sessions that hold a table up are ended meanwhile. Returns an empty name where
    there was no table to keep.
    """
    present, coming = tables(server, server.database), tables(server, incoming)
    before = f"{server.database}_before_{stamp()}"
    # If a restore is undone within the same second.
    while before in kept(server):
        before += "-2"
    create(server, before)
    moves = [move(name, server.database, before) for name in present]
    moves += [move(name, incoming, server.database) for name in coming]

    def end_connections():
        query = "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist"
        query += f" WHERE db = {literal(server.database)} AND user = {literal(server.user)}"
        for statement in server.sql(query).splitlines():
            # One may have ended by itself.
            with contextlib.suppress(Failure):
                server.sql(statement)

    try:
        with repeating(end_connections):
            server.sql(f"SET SESSION lock_wait_timeout = {LOCK_TIMEOUT}; RENAME TABLE {', '.join(moves)};")
    except Failure as failure:
        # SystemExit is of `docker compose`, which waits for no container that ends in that moment.
        if once_it_answers(server, lambda server: tables(server, before), SystemExit) != present:
            drop(server, before)
            raise Failure(f"the database is as it was:\n{failure}", "run this again") from failure
    if not present:
        drop(server, before)
        return ""
    return before


def move(name, source, target):
    return f"{identifier(source)}.{identifier(name)} TO {identifier(target)}.{identifier(name)}"


def kept(server, column="table_schema", listing="tables"):
    """Return the names of the databases that restores have kept, oldest first. They have tables."""
    pattern = re.escape(f"{server.database}_before_") + "[0-9-]+"
    found = server.sql(f"SELECT DISTINCT {column} FROM information_schema.{listing} ORDER BY 1").splitlines()
    return [name for name in found if re.fullmatch(pattern, name)]


def undo(server):
    names = kept(server)
    if not names:
        raise Failure("no restore has kept a database", "take one of: make backups")
    refuse_fixed(server, server.database, "the present database")
    before = swap(server, names[-1])
    drop(server, names[-1])
    print(f"{names[-1]} is the database again. The one of the restore is kept as {before}")


def forget(server):
    # Also an empty one, which a restore that was killed may leave.
    for name in kept(server, "schema_name", "schemata"):
        drop(server, name)
        print(f"Dropped {name}")
