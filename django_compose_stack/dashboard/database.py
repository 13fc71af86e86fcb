"""The state of the database, asked for within a time limit."""

import re
import threading
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection
from django.template.defaultfilters import filesizeformat

from django_compose_stack import databases
from django_compose_stack.dashboard import project_file, tasks
from django_compose_stack.dashboard.tasks import Tasks
from django_compose_stack.health import first_line, unapplied_migrations
from django_compose_stack.host.project import COMPOSE

OK, WARNING, BROKEN = "ok", "warning", "broken"
DOWN = "The database does not answer"
TIMEOUT = 1.0  # seconds
STATEMENT_TIMEOUT = 5000  # milliseconds; the server itself ends a query whose result nobody waits for


class Database(NamedTuple):
    """What is known. problem: a sentence without its full stop, or "" if all is well; reason and fix explain it.

    pending: unapplied migrations, "app.name" in their order. tasks: where the project has the worker and its table.
    """

    where: str
    label: str
    problem: str = ""
    reason: str = ""
    fix: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    pending: tuple[str, ...] = ()
    tasks: Tasks | None = None

    @property
    def state(self) -> str:
        return BROKEN if self.problem else WARNING if self.pending else OK


def kind() -> databases.Database:
    return databases.of(connection)


def look() -> Database:
    """Return the state of the database, which has TIMEOUT to answer."""
    config = settings.DATABASES["default"]
    where = f"{config['HOST']}:{config['PORT'] or kind().port}" if config["HOST"] else str(config["NAME"])
    blank = Database(where, kind().name(connection))
    results: list[Database] = []
    # A daemon thread: an abandoned connection attempt must not delay a reload.
    thread = threading.Thread(target=lambda: results.append(ask(blank)), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    if results:
        return results[0]
    reason = f"{where} did not answer within {TIMEOUT:g} s: the server hangs, or the network does."
    return blank._replace(problem=DOWN, reason=reason, fix="make logs")


def ask(blank: Database) -> Database:
    found = blank
    # Connections belong to threads, so this is not the one of the request.
    try:
        with connection.cursor() as cursor:
            kind().limit(cursor, STATEMENT_TIMEOUT)
            label = f"{connection.display_name} {'.'.join(map(str, connection.get_database_version()))}"
            found = blank._replace(label=label, facts=tuple(facts(cursor)))
        found = found._replace(pending=tuple(unapplied_migrations()))
        return found if found.pending else found._replace(tasks=tasks.look())
    except Exception as error:
        if found != blank and not isinstance(error, DatabaseError):
            # A migration file may contain any mistake, and this page should show it.
            reason = f"{type(error).__name__}: {error}"
            return found._replace(problem="The migrations cannot be read", reason=reason)
        # Not only DatabaseError: a missing driver raises ImproperlyConfigured.
        return blank._replace(problem=DOWN, **explain(str(error)))
    finally:
        connection.close()


def facts(cursor):
    config = settings.DATABASES["default"]
    usage = kind().usage(cursor)
    if usage is None:
        yield "file", str(config["NAME"])
        return
    size, clients, limit = usage
    yield "database", f"{config['NAME']}, {filesizeformat(size)}"
    yield "connections", f"{clients} of {limit}"
    volume = re.search(rf"^\s*- ([\w-]+):{kind().path}", project_file(COMPOSE), re.M)
    # At any other host it is not the database of compose.yaml.
    if volume and config["HOST"] == "db":
        yield "volume", volume[1]


def explain(message: str) -> dict[str, str]:
    """Return the fields `reason` and `fix` for a driver's message."""
    config = settings.DATABASES["default"]
    values = {"host": config["HOST"], "port": config["PORT"] or kind().port, "name": config["NAME"]}
    for pattern, reason, fix in kind().reasons:
        if re.search(pattern, message):
            return {"reason": reason.format(**values), "fix": fix}
    return {"reason": first_line(message), "fix": "make logs"}
