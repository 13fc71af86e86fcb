"""Finds out how an existing project is made: settings, Python, packages, database, tests. Runs nothing of it."""

import ast
import configparser
import os
import re
from pathlib import Path
from typing import List, NamedTuple

from django_compose_stack.host.process import Failure
from django_compose_stack.scaffold import manifest, reading, source, toml
from django_compose_stack.scaffold.manifest import read

SKIPPED = {"node_modules", "site-packages", "venv", "env", "tests", "test", "docs", "templates", "examples", "vendor"}
DEPTH = 3  # folders below the project in which manage.py is looked for
OLDEST, NEWEST = (3, 12), (3, 14)
PINS = (
    (".python-version", r"^\s*(?:cpython-|python-)?(\d+\.\d+)"),
    ("runtime.txt", r"^\s*python-(\d+\.\d+)"),
    ("Pipfile", r"^\s*python(?:_full)?_version\s*=\s*\"(\d+\.\d+)"),
    (".tool-versions", r"^\s*python\s+(\d+\.\d+)"),
)


class Python(NamedTuple):
    """version: such as (3, 13); place: the file that says so; range: whether that is a range, which this is out of."""

    version: tuple
    place: str
    is_range: bool


class Project(NamedTuple):
    """root: the folder to write into. manage: manage.py. module: the settings module that manage.py chooses."""

    root: Path
    manage: Path
    module: str
    settings: reading.Settings
    python: Python
    packages: manifest.Manifest
    runner: str
    test_module: str

    @property
    def folder(self):
        return self.manage.parent

    @property
    def roots(self):
        return [self.folder, self.root]

    def has(self, *names):
        return any(name in self.packages.packages for name in names)


def find_manage(root) -> Path:
    """Return the project's manage.py: the one with the shortest path. Raises Failure where there is none or two."""
    found: List[Path] = []
    for folder, folders, names in os.walk(str(root)):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = [
            name for name in sorted(folders) if name not in SKIPPED and not name.startswith(".") and depth < DEPTH
        ]
        if "manage.py" in names:
            found.append(Path(folder, "manage.py"))
    found.sort(key=lambda path: len(path.parts))
    if not found:
        raise Failure(f"{root} has no manage.py, nor have its folders", "Name the folder of a Django project")
    best = [path for path in found if len(path.parts) == len(found[0].parts)]
    if len(best) > 1:
        names = ", ".join(path.relative_to(root).as_posix() for path in best)
        raise Failure(f"{root} has several projects: {names}", f"Name one of them, such as: init {best[0].parent}")
    return found[0]


def settings_module(manage, root) -> str:
    """Return the settings module that manage.py, or else wsgi.py or asgi.py, chooses; empty where none does."""
    places = [manage, *sorted(manage.parent.glob("*/wsgi.py")), *sorted(manage.parent.glob("*/asgi.py"))]
    for path in places:
        tree = source.parse(path)
        for node in ast.walk(tree) if tree else ():
            words = []
            if isinstance(node, ast.Call):
                words = [source.constant(each) for each in node.args]
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                words = [source.constant(each) for each in ast.walk(node.targets[0])] + [source.constant(node.value)]
            words = [word for word in words if word]
            if words[:1] == ["DJANGO_SETTINGS_MODULE"] and len(words) > 1:
                return words[-1]
    return ""


def find_python(root, folder) -> Python:
    """Return the Python that the project asks for, by what is most exact: a pin, an image, a range, classifiers."""
    for place in dict.fromkeys((folder, root)):
        for name, pattern in PINS:
            match = re.search(pattern, read(place / name), re.M)
            if match:
                return Python(version(match[1]), name, False)
    for place in dict.fromkeys((folder, root)):
        pyproject = toml.load(read(place / "pyproject.toml"))
        poetry = pyproject.get("tool", {}).get("poetry", {}).get("dependencies", {})
        wanted = pyproject.get("project", {}).get("requires-python") or poetry.get("python")
        dockers = [
            path
            for pattern in ("*ockerfile*", "*/*ockerfile*", "*/*/*ockerfile*")
            for path in sorted(place.glob(pattern))
        ]
        for path in dockers:
            text = "" if path.is_dir() else read(path)
            match = re.search(
                r"^(?:FROM\s+(?:\S*/)?python:|FROM\s+\S*:python|ARG PYTHON_VERSION=)(3\.\d+)", text, re.M | re.I
            )
            if match and (not wanted or allows(wanted, version(match[1]))):
                # With a range beside it, another version of that range is the project's too.
                return Python(within(wanted, version(match[1])), path.relative_to(root).as_posix(), False)
        if wanted:
            return Python(within(wanted, OLDEST), "pyproject.toml", True)
        classifiers = re.findall(
            r"Programming Language :: Python :: (3\.\d+)", read(place / "setup.py") + read(place / "setup.cfg")
        )
        if classifiers:
            return Python(max(map(version, classifiers)), "classifiers", True)
    return Python(OLDEST, "", True)


def within(wanted, preferred):
    """Return a version that the stack runs on and `wanted` allows: `preferred`, else the oldest; else `preferred`."""
    if not wanted or (preferred >= OLDEST and allows(wanted, preferred)):
        return preferred
    fitting = [(3, minor) for minor in range(OLDEST[1], NEWEST[1] + 1) if allows(wanted, (3, minor))]
    return fitting[0] if fitting else preferred


def version(text):
    return tuple(map(int, text.split(".")[:2]))


def allows(wanted, candidate):
    """Say whether a specifier such as ">=3.10,<3.14", "^3.12" or "==3.12.*" allows a minor version."""
    for operator, text in re.findall(r"(>=|<=|==|!=|~=|\^|~|>|<)?\s*(3(?:\.\d+)*(?:\.\*)?)", wanted):
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        minor = numbers[1] if len(numbers) > 1 else None
        if operator in ("", "==", "~") or (operator == "~=" and len(numbers) > 2):
            is_fine = minor is None or candidate[1] == minor
        elif operator in (">=", "^", "~=", ">"):
            is_fine = candidate[1] >= (minor or 0)
        elif operator == "<":
            is_fine = (
                minor is None or candidate[1] < minor or (len(numbers) > 2 and candidate[1] == minor and numbers[2] > 0)
            )
        elif operator == "<=":
            is_fine = minor is None or candidate[1] <= minor
        else:
            is_fine = True
        if not is_fine:
            return False
    return True


def find_tests(root, folder, packages):
    """Return how the project runs its tests, "pytest" or "python manage.py test", and the settings that they name."""
    module = ""
    for place in dict.fromkeys((folder, root)):
        pyproject = toml.load(read(place / "pyproject.toml"))
        options = pyproject.get("tool", {}).get("pytest", {})
        tables = [options.get("ini_options", {}), options]
        for name, section in (("pytest.ini", "pytest"), ("setup.cfg", "tool:pytest"), ("tox.ini", "pytest")):
            parser = configparser.ConfigParser(interpolation=None, strict=False)
            try:
                parser.read(str(place / name), encoding="utf-8")
            except (configparser.Error, UnicodeDecodeError):
                continue
            if parser.has_section(section):
                tables.append(dict(parser.items(section)))
        for table in tables:
            low = {str(key).lower(): value for key, value in table.items()}
            chosen = re.search(r"--ds[= ](\S+)", str(low.get("addopts", "")))
            module = module or (chosen[1] if chosen else str(low.get("django_settings_module", "")))
    uses_pytest = "pytest-django" in packages or ("pytest" in packages and module)
    return ("pytest" if uses_pytest else "python manage.py test"), module


def examine(root, module="", python="") -> Project:
    """Return what can be found out about the project at `root`. Raises Failure where it cannot be worked with.

    module, python: what the user named, instead of what the files say.
    """
    manage = find_manage(root)
    module = module or settings_module(manage, root)
    if not module:
        raise Failure("manage.py names no settings module", "Name it: --settings config.settings")
    settings = reading.read_settings(module, [manage.parent, root])
    if not settings.files:
        raise Failure(f"the settings module {module} was not found", "Name it: --settings config.settings")
    try:
        packages = manifest.find(root, manage.parent)
    except ValueError as error:
        raise Failure(str(error), "Write what the project needs into requirements.txt") from None
    chosen = Python(version(python), "--python", False) if python else find_python(root, manage.parent)
    runner, test_module = find_tests(root, manage.parent, packages.packages)
    return Project(root, manage, module, settings, chosen, packages, runner, test_module)
