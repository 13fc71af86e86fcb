"""Test databases that are copied from a template instead of migrated.

There is a template for each state of what makes a database: settings, migrations, models, and every file of the
project that ran, was imported for it or was read while it was made. Where one of these differs, there is no template.
"""

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from .database_sources import closure, content, is_current, key, observed
from .project_paths import ProjectPaths

KEPT = 4  # templates of a database

suffix = ""  # of the names of databases: processes that run tests at the same time have one each
made: list[str] = []  # aliases of the databases that this process made
prepared: dict[str, "PostgresTemplates"] = {}  # by alias: copies that nobody has used yet
folder = ""  # for templates of SQLite; empty where there are none


def install(own_suffix: str, own_folder: str) -> None:
    """Let Django copy test databases, in this process."""
    global suffix, folder
    from django.db.backends.base.creation import BaseDatabaseCreation

    suffix, folder = own_suffix, own_folder
    make = BaseDatabaseCreation.create_test_db
    BaseDatabaseCreation.create_test_db = lambda creation, *args, **options: create(creation, make, *args, **options)


def create(creation, make: Callable, verbosity=1, autoclobber=False, serialize=None, keepdb=False) -> str:
    """Make a test database as Django's create_test_db, which is `make`, or copy it."""
    options = {"verbosity": verbosity, "autoclobber": autoclobber, "keepdb": keepdb}
    if serialize is not None:
        options["serialize"] = serialize
    kind = {"postgresql": PostgresTemplates, "sqlite": SQLiteTemplates}.get(creation.connection.vendor)
    if kind is None or keepdb or (kind is SQLiteTemplates and not folder):
        return make(creation, **options)
    connection, project = creation.connection, ProjectPaths(os.getcwd())
    name = name_of(creation, suffix if kind is PostgresTemplates else "")
    connection.settings_dict["TEST"]["NAME"] = name
    made.append(connection.alias)
    with kind(creation, name, key(connection, project)) as templates:
        ready = prepared.pop(connection.alias, None)
        if ready and ready.key == templates.key and is_current(ready.files):
            name = connection.settings_dict["TEST"]["NAME"] = templates.name = ready.name
            templates.use()
        elif not any(is_current(made) and templates.copy(made) for made in templates.found()):
            with observed(project) as used:
                make(creation, **options)
            close(connection)
            templates.save({path: content(path) for path in sorted(closure(used))})
        elif serialize:
            connection._test_serialized_contents = creation.serialize_db_to_string()
        connection.ensure_connection()
    return name


def name_of(creation, suffix: str) -> str:
    name = creation._get_test_db_name()
    return f"{name[: 63 - len(suffix)]}{suffix}" if suffix else name


def prepare(aliases: list[str], suffix: str) -> None:
    """Copy the databases that this process is likely to ask for, where that needs a server."""
    from django.db import connections

    for alias in aliases:
        connection = connections[alias]
        if connection.vendor == "postgresql":
            creation = connection.creation
            name = name_of(creation, suffix)
            with PostgresTemplates(creation, name, key(connection, ProjectPaths(os.getcwd()))) as templates:
                for files in filter(is_current, templates.found()):
                    templates.duplicate(templates.template, name)
                    templates.files, prepared[alias] = files, templates


def discard() -> None:
    """Drop what was prepared: this process ends."""
    for templates in prepared.values():
        with suppress(Exception), templates:
            templates.drop(templates.name)


def close(connection) -> None:
    connection.close()
    getattr(connection, "close_pool", lambda: None)()


class Templates:
    """The templates of one database. As a context manager it lets one process at a time make one."""

    def __init__(self, creation, name: str, key: str):
        self.creation, self.connection, self.name, self.key = creation, creation.connection, name, key

    def use(self) -> None:
        """Make the copy the database of this process."""
        from django.conf import settings

        close(self.connection)
        settings.DATABASES[self.connection.alias]["NAME"] = self.name
        self.connection.settings_dict["NAME"] = self.name


class PostgresTemplates(Templates):
    """Databases beside the test database. What made each is in its comment."""

    def __enter__(self) -> "PostgresTemplates":
        self.context = self.creation._nodb_cursor()
        self.cursor = self.context.__enter__()
        self.base = re.sub(r"_(gw\d+|watch_\d+)$", "", self.name)
        self.prefix = f"{self.base[:40]}_template_"
        self.template = f"{self.prefix}{self.key}"
        self.cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [self.template])
        return self

    def __exit__(self, *error) -> None:
        self.context.__exit__(*error)  # The connection ends, and with it the lock.

    def comments(self) -> dict[str, dict]:
        """Return {"used": seconds, "files": {path: digest}} of each template."""
        self.cursor.execute(
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE starts_with(datname, %s)",
            [self.prefix],
        )
        return {name: json.loads(text) for name, text in self.cursor.fetchall() if text and text.startswith("{")}

    def found(self) -> list[dict[str, str]]:
        comment = self.comments().get(self.template)
        return [] if comment is None else [comment["files"]]

    def copy(self, made: dict[str, str]) -> bool:
        self.duplicate(self.template, self.name)
        self.comment(self.template, made)
        self.use()
        return True

    def save(self, files: dict[str, str]) -> None:
        new = f"{self.template}_new"
        self.duplicate(self.name, new)
        self.comment(new, files)
        self.drop(self.template)
        self.cursor.execute(f"ALTER DATABASE {self.quoted(new)} RENAME TO {self.quoted(self.template)}")
        oldest = sorted(self.comments().items(), key=lambda item: item[1]["used"])
        for name, _ in oldest[:-KEPT]:
            self.drop(name)

    def comment(self, name: str, files: dict[str, str]) -> None:
        text = json.dumps({"used": time.time(), "files": files}).replace("'", "''")
        self.cursor.execute(f"COMMENT ON DATABASE {self.quoted(name)} IS '{text}'")

    def duplicate(self, source: str, name: str) -> None:
        self.drop(name)
        self.cursor.execute(f"CREATE DATABASE {self.quoted(name)} TEMPLATE {self.quoted(source)}")

    def drop(self, name: str) -> None:
        self.cursor.execute(f"DROP DATABASE IF EXISTS {self.quoted(name)}")

    def quoted(self, name: str) -> str:
        return self.connection.ops.quote_name(name)


class SQLiteTemplates(Templates):
    """Files in `folder`, which goes with the process that made it."""

    def __enter__(self) -> "SQLiteTemplates":
        self.path = Path(folder, f"template-{self.connection.alias}-{self.key}")
        return self

    def __exit__(self, *error) -> None:
        pass

    def found(self) -> list[dict[str, str]]:
        notes = self.path.with_suffix(".json")
        return [json.loads(notes.read_text())] if notes.exists() else []

    def copy(self, made: dict[str, str]) -> bool:
        self.creation._create_test_db(verbosity=0, autoclobber=True, keepdb=False)
        self.use()
        self.connection.ensure_connection()
        backup(self.path, self.connection.connection, is_target=False)
        return True

    def save(self, files: dict[str, str]) -> None:
        self.connection.ensure_connection()
        backup(self.path, self.connection.connection, is_target=True)
        self.path.with_suffix(".json").write_text(json.dumps(files))


def backup(path: Path, connection: sqlite3.Connection, is_target: bool) -> None:
    """Copy a database to the file, or from it."""
    with closing(sqlite3.connect(path)) as other:
        source, target = (connection, other) if is_target else (other, connection)
        source.backup(target)
