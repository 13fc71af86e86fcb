"""What a test database is made of: settings, and files of the project and of installed apps."""

import ast
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .observation import digest
from .project_paths import ProjectPaths

TOOL = 3  # of sys.monitoring
# These change from one start to the next, and make no database.
NO_PART = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASES", "CACHES", "LOGGING"}
OF_TESTS = {"DEBUG", "ALLOWED_HOSTS", "EMAIL_BACKEND", "MAILERS"}  # setup_test_environment() sets these
ADDRESS = re.compile(r" at 0x[0-9a-f]+")

CLOCK_STEP = 20_000_000  # ns; two saves in less may have the same time
digests: dict[str, tuple[tuple, str]] = {}  # path: signature and digest
opened: set[str] | None = None  # files that are read while a database is made


def key(connection, project: ProjectPaths) -> str:
    """Return a digest of what decides whether a template can be right: cheap to find, and not all of it."""
    import django
    from django.apps import apps
    from django.conf import settings

    names = [name for name in dir(settings) if name.isupper() and settings.is_overridden(name)]
    values = {name: getattr(settings, name) for name in names if name not in NO_PART | OF_TESTS}
    own = {name: connection.settings_dict.get(name) for name in ("ENGINE", "OPTIONS", "TIME_ZONE", "ATOMIC_REQUESTS")}
    test = {**connection.settings_dict["TEST"], "NAME": ""}
    parts = [django.get_version(), connection.alias, plain([values, own, test])]
    for config in apps.get_app_configs():
        # What an installed package brings changes with its files' times; the project's own is compared by content.
        is_own = project.locate(f"{config.path}/", code=True)
        for path in files_of(config):
            status = os.stat(path)
            parts.append(path + (content(path) if is_own else f"{status.st_size}:{status.st_mtime_ns}"))
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=6).hexdigest()


def plain(value) -> str:
    """Return a text that is the same in each process."""
    if isinstance(value, dict):
        return plain([f"{plain(name)}: {plain(each)}" for name, each in value.items()])
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, set | frozenset):
        return plain(sorted(map(plain, value)))
    return ADDRESS.sub("", repr(value))


def files_of(config) -> Iterator[str]:
    """Yield the files of an app's migrations, and of its models."""
    from django.db.migrations.loader import MigrationLoader

    name, _ = MigrationLoader.migrations_module(config.label)
    module = sys.modules.get(name) if name else None
    places = list(module.__path__) if module and hasattr(module, "__path__") else [f"{config.path}/migrations"]
    for place in places if name else ():
        if os.path.isdir(place):
            for each in sorted(os.listdir(place)):
                if os.path.isfile(f"{place}/{each}"):
                    yield f"{place}/{each}"
    if config.models_module:
        yield config.models_module.__file__


def content(path: str) -> str:
    """Return a digest of a file; empty where there is none. A file whose stat is the same is not read again."""
    try:
        status, now = os.stat(path), time.time_ns()
        signature = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        if path not in digests or digests[path][0] != signature:
            with open(path, "rb") as file:
                found = digest(file.read())
            if now - max(signature[:2]) < CLOCK_STEP:
                return found  # Another save may leave the same times.
            digests[path] = signature, found
        return digests[path][1]
    except OSError:
        return ""


def is_current(made: dict[str, str]) -> bool:
    """Tell whether the files that made a template are as they were."""
    return all(content(path) == value for path, value in made.items())


@contextmanager
def observed(project: ProjectPaths) -> Iterator[set[str]]:
    """Yield the files of the project whose code runs or that are read until the end, and those of all models."""
    global opened
    from django.apps import apps
    from django.db.models.signals import post_migrate, pre_migrate

    used: set[str] = set()

    def on_start(code, offset):
        path = project.locate(os.path.abspath(code.co_filename), code=True)
        if path and os.path.isfile(path):
            used.add(path)
        return sys.monitoring.DISABLE

    sys.addaudithook(on_event)
    opened = set()
    monitoring = sys.monitoring
    monitoring.use_tool_id(TOOL, "database_template")
    monitoring.register_callback(TOOL, monitoring.events.PY_START, on_start)
    monitoring.set_events(TOOL, monitoring.events.PY_START)
    loaded = set(sys.modules)
    try:
        yield used
    finally:
        monitoring.free_tool_id(TOOL)
        read, opened = opened, None
    bases = {base.__module__ for model in apps.get_models(include_auto_created=True) for base in model.__mro__}
    receivers = {name for signal in (pre_migrate, post_migrate) for name in modules_of(signal)}
    for name in {*bases, *receivers, *(sys.modules.keys() - loaded)}:
        path = getattr(sys.modules.get(name), "__file__", None)
        if path and (path := project.locate(os.path.abspath(path), code=True)):
            used.add(path)
    for path in read:
        path = project.locate(os.path.abspath(path), data=True)
        if path and os.path.isfile(path):
            used.add(path)


def on_event(event: str, args: tuple) -> None:
    if opened is not None and event == "open" and isinstance(args[0], str | bytes):
        opened.add(os.fsdecode(args[0]))


def modules_of(signal) -> Iterator[str]:
    for receiver in signal._live_receivers(None):
        for each in receiver:
            yield getattr(each, "__module__", "")


def closure(used: set[str]) -> set[str]:
    """Add the modules that these import, directly or through others: what runs uses values that others set."""
    places = {}
    for name, module in list(sys.modules.items()):
        if path := getattr(module, "__file__", None):
            places[name] = os.path.realpath(path)
    names = {path: name for name, path in places.items()}
    project = ProjectPaths(os.getcwd())
    found, todo = set(used), [path for path in used if path.endswith(".py")]
    while todo:
        path = todo.pop()
        for name in imported(path, names.get(os.path.realpath(path), "")):
            place = places.get(name)
            if place and place not in found and project.locate(place, code=True):
                found.add(place)
                todo.append(place)
    return found


def imported(path: str, module: str) -> Iterator[str]:
    """Yield the names of the modules that a file may import anywhere in its code."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = module if path.endswith("/__init__.py") else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if node.level else []
            parts = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            yield base
            for alias in node.names:
                yield f"{base}.{alias.name}"
