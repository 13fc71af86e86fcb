"""Reads settings modules without running them: which database, which apps, and what they take from the environment."""

import ast
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Set

from django_compose_stack.scaffold.source import Read, called, chain, constant, parse, read_of, targets

ENGINE = re.compile(
    r"(?:\w+\.)*(postgis|postgresql_psycopg2|postgresql|psycopg2|postgres|psqlextra|mysql|oracle|spatialite|sqlite3)"
    r"(?:\.\w+)?"
)
SAME = dict.fromkeys(("postgresql_psycopg2", "psycopg2", "postgres", "psqlextra"), "postgresql")
URL = re.compile(r"[A-Z_]*DATABASE_URL|DB_URL|POSTGRES_URL")
OTHERS = {"mysql", "oracle", "spatialite", "sqlite3"}
TRUE = {"true", "1", "yes", "on", "t", "y"}
KEYS = {"HOST", "PORT", "NAME", "USER", "PASSWORD", "ENGINE"}


class Settings(NamedTuple):
    """What the text of a settings module, and of those it imports by *, says.

    engines: "postgresql", "sqlite3" and so on. database: variables by key, as {"HOST": "DB_HOST"}. urls: variables that
    hold a database URL. switches: a variable with the value that selects Postgres. databases: names in DATABASES.
    debug: the variable that switches DEBUG on, with the value that does. unknown: what could not be read.
    """

    files: List[Path]
    strings: Set[str]
    engines: Set[str]
    reads: List[Read]
    database: Dict[str, str]
    literal: Dict[str, str]
    urls: Set[str]
    switches: Dict[str, str]
    databases: List[str]
    debug: Dict[str, str]
    unknown: List[str]

    def read(self, name) -> List[Read]:
        return [read for read in self.reads if read.name == name]


def engine_kind(text) -> str:
    """Return the kind of database that a backend's name or a URL stands for; empty where it is neither."""
    if re.match(r"(postgres|postgresql|postgis|mysql|sqlite)(\+\w+)?://", text):
        scheme = text.partition(":")[0].partition("+")[0]
        return {"postgres": "postgresql", "sqlite": "sqlite3"}.get(scheme, scheme)
    match = ENGINE.fullmatch(text) if ("." in text and "backend" in text) or text == "psqlextra.backend" else None
    return SAME.get(match[1], match[1]) if match else ""


def read_settings(module, roots) -> Settings:
    """Read a settings module from its source. roots: the folders that Python would import from."""
    files = chain(module, roots)
    result = Settings(files, set(), set(), [], {}, {}, set(), {}, [], {}, [])
    schema: Set[str] = set()
    for path in files:
        tree = parse(path)
        if tree is None:
            result.unknown.append(f"{path.name} cannot be read as Python")
            continue
        # What stands below an `if` or in a function may never run, so that its variables are not required.
        unconditional, assigned = set(tree.body), assignments(tree)
        for statement in ast.walk(tree):
            names = targets(statement)
            for node in ast.walk(statement) if names or isinstance(statement, ast.Expr) else ():
                read = read_of(node, names[0] if names else "")
                if read:
                    result.reads.append(read._replace(required=read.required and statement in unconditional))
            if "DEBUG" in names:
                read_debug(statement.value, result, assigned)
            if "DATABASES" in names:
                read_databases(statement, result, assigned)
            if isinstance(statement, ast.If):
                read_switch(statement, result, assigned)
                for node in ast.walk(statement.test):
                    read = read_of(node)
                    if read:
                        result.reads.append(read._replace(required=False))
            if isinstance(statement, ast.Call):
                if called(statement).rpartition(".")[2] in ("Env", "FileAwareEnv"):
                    schema.update(word.arg for word in statement.keywords if word.arg)
                if called(statement) == "dj_database_url.config" and not statement.args:
                    named = [constant(word.value) for word in statement.keywords if word.arg == "env"]
                    result.urls.add((named or ["DATABASE_URL"])[0])
                if called(statement).endswith((".db", ".db_url")) and not statement.args:
                    result.urls.add("DATABASE_URL")
            text = constant(statement)
            if text:
                result.strings.add(text)
                if engine_kind(text):
                    result.engines.add(engine_kind(text))
    guarded = {read.name for read in result.reads if not read.required} | schema
    result.reads[:] = [read._replace(required=read.required and read.name not in guarded) for read in result.reads]
    result.urls.update(filter(URL.fullmatch, result.strings))
    return result


def assignments(tree) -> Dict[str, List[ast.AST]]:
    """Return what each name is assigned anywhere in a module."""
    found: Dict[str, List[ast.AST]] = {}
    for node in ast.walk(tree):
        for name in targets(node):
            if isinstance(node, ast.Assign) and "." not in name:
                found.setdefault(name, []).append(node.value)
    return found


def variable(value, assigned) -> str:
    """Return the variable that an expression reads, itself or by a name that was assigned it; empty for none."""
    for node in ast.walk(value):
        for each in [node, *(assigned.get(node.id, []) if isinstance(node, ast.Name) else [])]:
            read = next(filter(None, map(read_of, ast.walk(each))), None)
            if read:
                return read.name
    return ""


def kinds(node) -> Set[str]:
    return {engine_kind(constant(each)) for each in ast.walk(node)} - {""}


def read_databases(statement, result, assigned):
    """Note what a statement that sets DATABASES says of its entry "default"."""
    value = statement.value
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        entries = [(constant(key), value) for key in ast.walk(statement.targets[0]) if constant(key)]
    elif isinstance(value, ast.Dict):
        entries = [(constant(key), each) for key, each in zip(value.keys, value.values) if key is not None]
    else:
        return
    for name, entry in entries:
        if name and name not in result.databases:
            result.databases.append(name)
        named = assigned.get(entry.id, []) if isinstance(entry, ast.Name) else [entry]
        for each in named if name == "default" else ():
            if isinstance(each, ast.Dict) and not kinds(each) & OTHERS:
                read_entry(each, result, assigned)


def read_entry(entry, result, assigned):
    for key, value in zip(entry.keys, entry.values):
        if key is not None and constant(key) in KEYS:
            name = variable(value, assigned)
            if name:
                result.database[constant(key)] = name
            elif constant(value):
                result.literal[constant(key)] = constant(value)


def read_debug(value, result, assigned):
    """Note the variable that DEBUG is read from, with the text that makes it true."""
    name = variable(value, assigned)
    if name:
        compared = [
            constant(each) for node in ast.walk(value) if isinstance(node, ast.Compare) for each in ast.walk(node)
        ]
        words = [text for text in compared if text.lower() in TRUE]
        is_number = any(isinstance(node, ast.Call) and called(node) == "int" for node in ast.walk(value))
        result.debug[name] = words[0] if words else "1" if is_number else "True"


def read_switch(statement, result, assigned):
    """Note a variable whose value selects Postgres: if os.getenv("DB") == "postgres"."""
    test = statement.test
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq) and constant(test.comparators[0]):
        left = test.left
        # Itself, not a part of it: the scheme of a URL selects nothing.
        values = [left, *(assigned.get(left.id, []) if isinstance(left, ast.Name) else [])]
        name = next((read.name for read in map(read_of, values) if read), "")
        if name and any("postgresql" in kinds(each) for each in statement.body):
            result.switches[name] = constant(test.comparators[0])
