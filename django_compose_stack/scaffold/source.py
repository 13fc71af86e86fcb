"""Reads settings modules without running them: which database, which apps, and what they take from the environment."""

import ast
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set

VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
ENGINE = re.compile(
    r"(?:\w+\.)*(postgis|postgresql_psycopg2|postgresql|psycopg2|postgres|psqlextra|mysql|oracle|spatialite|sqlite3)(?:\.\w+)?"
)
# What reads a variable: the last part of the function's name, in django-environ, python-decouple, os and by custom.
READER = re.compile(
    r"(env|getenv|config|get_?env\w*|env\w+|\w*_env|str|bool|int|list|json|db|db_url|cache_url|url|path)"
)
TRUE = {"true", "1", "yes", "on", "t", "y"}
KEYS = {"HOST", "PORT", "NAME", "USER", "PASSWORD", "ENGINE"}


class Read(NamedTuple):
    """A variable that settings read. required: without a default; setting: what it is for, such as DEBUG."""

    name: str
    required: bool
    setting: str
    node: ast.AST


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


def module_path(module, roots) -> Optional[Path]:
    """Return the file of a module below one of the folders; None where there is none."""
    for root in roots:
        base = root.joinpath(*module.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def parse(path) -> Optional[ast.Module]:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def chain(module, roots) -> List[Path]:
    """Return the files of a settings module and of what it imports by *, in the order in which they count."""
    found: List[Path] = []

    def visit(name, path):
        if path is None or path in found:
            return
        tree = parse(path)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                parents = package.split(".") if package else []
                base = parents[: len(parents) - node.level + 1] if node.level else []
                target = ".".join([*base, *([node.module] if node.module else [])])
                visit(target, module_path(target, roots))
            elif isinstance(node, ast.Call) and called(node).endswith("include") and "split_settings" in ast.dump(tree):
                for argument in map(constant, node.args):
                    for each in sorted(path.parent.glob(argument)) if argument else ():
                        visit(f"{package}.{each.stem}", each)
        found.append(path)

    visit(module, module_path(module, roots))
    return found


def constant(node) -> str:
    """Return the text of a string in the source; empty for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def called(node) -> str:
    """Return the dotted name of what a call calls; empty where it is not a plain name."""
    return dotted(node.func)


def dotted(node) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return ""


def is_environ(node) -> bool:
    return dotted(node) in ("os.environ", "environ")


def read_of(node, setting="") -> Optional[Read]:
    """Return the variable that an expression reads; None where it reads none."""
    if isinstance(node, ast.Subscript) and is_environ(node.value):
        # Before Python 3.9 the key stands in an Index.
        key = constant(
            getattr(node.slice, "value", node.slice) if not isinstance(node.slice, ast.Constant) else node.slice
        )
        return Read(key, True, setting, node) if key else None
    if not isinstance(node, ast.Call) or not node.args or not VARIABLE.fullmatch(constant(node.args[0])):
        return None
    name = called(node)
    last = name.rpartition(".")[2]
    if isinstance(node.func, ast.Attribute) and last in ("get", "setdefault"):
        return Read(constant(node.args[0]), False, setting, node) if is_environ(node.func.value) else None
    if not READER.fullmatch(last) or (
        "." in name and last not in ("getenv",) and not re.search("env|config", name.lower())
    ):
        return None
    # Functions of the project's own, such as env_or_none, may have a default inside.
    is_strict = name in ("env", "config") or name.startswith(("env.", "config."))
    has_default = len(node.args) > 1 or any(word.arg == "default" for word in node.keywords)
    return Read(constant(node.args[0]), is_strict and not has_default, setting, node)


def targets(node) -> List[str]:
    """Return the names that a statement assigns to."""
    if isinstance(node, ast.Assign):
        return [dotted(each) or dotted(getattr(each, "value", each)) for each in node.targets]
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        return [dotted(node.target)]
    return []


def engine_kind(text) -> str:
    """Return the kind of database that a backend's name or a URL stands for; empty where it is neither."""
    if re.match(r"(postgres|postgresql|postgis|mysql|sqlite)(\+\w+)?://", text):
        scheme = text.partition(":")[0].partition("+")[0]
        return {"postgres": "postgresql", "sqlite": "sqlite3"}.get(scheme, scheme)
    match = ENGINE.fullmatch(text) if "." in text and "backend" in text or text == "psqlextra.backend" else None
    return (
        {
            "postgresql_psycopg2": "postgresql",
            "psycopg2": "postgresql",
            "postgres": "postgresql",
            "psqlextra": "postgresql",
        }.get(match[1], match[1])
        if match
        else ""
    )


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
        unconditional = set(tree.body)
        for statement in ast.walk(tree):
            names = targets(statement)
            for node in ast.walk(statement) if names or isinstance(statement, ast.Expr) else ():
                read = read_of(node, names[0] if names else "")
                if read:
                    result.reads.append(read._replace(required=read.required and statement in unconditional))
            if "DEBUG" in names:
                read_debug(statement.value, result)
            if "DATABASES" in names:
                read_databases(statement, result)
            if isinstance(statement, ast.If):
                read_switch(statement, result)
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
    result.urls.update(
        text for text in result.strings if re.fullmatch(r"[A-Z_]*DATABASE_URL|DB_URL|POSTGRES_URL", text)
    )
    return result


def read_databases(statement, result):
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
        if name != "default" or not isinstance(entry, ast.Dict):
            continue
        kind = next((engine_kind(constant(each)) for each in ast.walk(entry) if engine_kind(constant(each))), "")
        if "sqlite" in kind or kind in ("mysql", "oracle", "spatialite"):
            continue
        for key, each in zip(entry.keys, entry.values):
            if key is not None and constant(key) in KEYS:
                read = next(filter(None, map(read_of, ast.walk(each))), None)
                if read:
                    result.database[constant(key)] = read.name
                elif constant(each):
                    result.literal[constant(key)] = constant(each)


def read_debug(value, result):
    """Note the variable that DEBUG is read from, with the text that makes it true."""
    read = next(filter(None, map(read_of, ast.walk(value))), None)
    if read:
        compared = [
            constant(each) for node in ast.walk(value) if isinstance(node, ast.Compare) for each in ast.walk(node)
        ]
        words = [text for text in compared if text.lower() in TRUE]
        is_number = any(isinstance(node, ast.Call) and called(node) == "int" for node in ast.walk(value))
        result.debug[read.name] = words[0] if words else "1" if is_number else "True"


def read_switch(statement, result):
    """Note a variable whose value selects Postgres: if os.getenv("DB") == "postgres"."""
    test = statement.test
    if not (isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq) and constant(test.comparators[0])):
        return
    kinds = {engine_kind(constant(node)) for each in statement.body for node in ast.walk(each)}
    read = read_of(test.left)
    if read and "postgresql" in kinds:
        result.switches[read.name] = constant(test.comparators[0])
