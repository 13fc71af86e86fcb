"""What the database says about itself, asked within a bounded time."""

import re
import threading
from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.template.defaultfilters import filesizeformat

PATIENCE = 1.0  # seconds
STATEMENT_TIMEOUT = 5000  # milliseconds, after which Postgres itself ends what nobody waits for any more

# What the driver's message means, and the cure; the first that matches.
REASONS = [
    ("resolve host|Name or service", "There is no host {host}: its container is not running.", "make up"),
    ("[Cc]onnection refused", "Nothing listens at {host}:{port}: the server is not running.", "make up"),
    ("the database system is", "The server is starting or stopping. Look again in a moment.", "make logs"),
    (
        "password authentication failed",
        "The server refused the password: its volume was made with another one.",
        "make doctor",
    ),
    ('database ".*" does not exist', "The server is there, and it has no database {name}.", "make doctor"),
    ("too many clients|connection slots", "All connections are taken.", "make restart"),
]


class Database(NamedTuple):
    """What is known. error: the driver's message, or "" if the server answers; reason and cure explain it.

    pending: migrations not applied, "app.name" in their order. trouble: why they cannot be told.
    """

    where: str
    label: str
    error: str = ""
    reason: str = ""
    cure: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    pending: tuple[str, ...] = ()
    trouble: str = ""


def within[T](seconds: float, work: Callable[[], T], otherwise: T) -> T:
    """Return what `work` returns, or `otherwise` if that takes longer; it goes on in a thread of its own."""
    results = []
    # A daemon, so that a connection attempt nobody waits for holds up no reload.
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    return results[0] if results else otherwise


def look() -> Database:
    """Ask the database for its state; it has PATIENCE to answer."""
    config = settings.DATABASES["default"]
    where = f"{config['HOST']}:{config['PORT'] or 5432}" if config["HOST"] else str(config["NAME"])
    blank = Database(where, connection.display_name)
    late = blank._replace(
        error="timeout",
        reason=f"{where} did not answer within {PATIENCE:g} s: it hangs, or something on the way does.",
        cure="make logs",
    )
    return within(PATIENCE, lambda: ask(blank), late)


def ask(blank: Database) -> Database:
    # Connections belong to threads, so this one is the probe's own.
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT}")
            label = f"{connection.display_name} {'.'.join(map(str, connection.get_database_version()))}"
            answered = blank._replace(label=label, facts=tuple(facts(cursor)))
        return answered._replace(**migrations())
    except Exception as error:
        # Not DatabaseError alone: a driver that is missing, for one, raises ImproperlyConfigured.
        return blank._replace(error=str(error).strip().partition("\n")[0], **explain(str(error)))
    finally:
        connection.close()


def facts(cursor):
    config = settings.DATABASES["default"]
    if connection.vendor != "postgresql":
        yield "file", str(config["NAME"])
        return
    cursor.execute(
        "SELECT pg_database_size(current_database()), count(*), current_setting('max_connections') "
        "FROM pg_stat_activity WHERE client_port IS NOT NULL"
    )
    size, clients, limit = cursor.fetchone()
    yield "database", f"{config['NAME']}, {filesizeformat(size)}"
    yield "connections", f"{clients} of {limit}"
    if volume := volume_name():
        yield "volume", volume


def volume_name() -> str:
    """Return the name that compose.yaml gives the database's volume; "" where the database is not that one."""
    if settings.DATABASES["default"]["HOST"] != "db":
        return ""
    path = settings.BASE_DIR / "compose.yaml"
    found = re.search(r"^\s*- ([\w-]+):/var/lib/postgresql", path.read_text() if path.exists() else "", re.M)
    return found[1] if found else ""


def migrations() -> dict[str, object]:
    """Return the fields `pending` and `trouble`."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        raise
    except Exception as error:
        # A migration file may hold any mistake, and this page is where it should be told.
        return {"trouble": f"{type(error).__name__}: {error}"}
    return {"pending": tuple(f"{migration.app_label}.{migration.name}" for migration, _ in plan)}


def explain(message: str) -> dict[str, str]:
    """Return the fields `reason` and `cure` for a driver's message."""
    config = settings.DATABASES["default"]
    values = {"host": config["HOST"], "port": config["PORT"] or 5432, "name": config["NAME"]}
    for pattern, reason, cure in REASONS:
        if re.search(pattern, message):
            return {"reason": reason.format(**values), "cure": cure}
    return {"reason": message.strip().partition("\n")[0], "cure": "make logs"}
