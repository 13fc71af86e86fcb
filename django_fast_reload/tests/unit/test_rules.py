"""Which module may import which: the folders say in which process a module runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2]
NAME = PACKAGE.name
MAX_LINES = 300


def modules() -> dict[str, Path]:
    """Return the modules that are installed, by dotted name inside the package; "" is the package itself."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in ("tests", "bench", "build"):
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def absolute(module: str, alias: str) -> str:
    """Return the own module that `from module import alias` loads, as in MODULES, or the other one after a dot.

    __main__.py has the package under a name of its own.
    """
    first, _, rest = module.partition(".")
    if first not in (NAME, "_fast_reload"):
        return f".{module}"
    inner = f"{rest}.{alias}".strip(".")
    return inner if inner in MODULES else rest


def imports(name: str) -> set[str]:
    """Return what a module imports anywhere in its code."""
    parts = [NAME, *name.split(".")] if name else [NAME]
    if MODULES[name].name != "__init__.py":
        parts.pop()
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {absolute(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) + 1 - node.level] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found |= {absolute(module, alias.name) for alias in node.names}
    return found


GRAPH = {name: imports(name) for name in MODULES}


def reachable(start: str) -> set[str]:
    seen, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += GRAPH.get(name, ())
    return seen


def test_every_import_is_understood():
    assert {each for found in GRAPH.values() for each in found if not each.startswith(".")} <= MODULES.keys()
    assert "supervisor.lineage" in GRAPH["supervisor.loader"]
    assert "ipc" in GRAPH["worker.main"]
    assert "worker.main" in GRAPH["__main__"]


def test_no_module_imports_itself_through_others():
    circles = {name for name in MODULES if any(name in reachable(other) for other in GRAPH[name])}

    assert circles == set()


@pytest.mark.parametrize("name", [name for name in MODULES if name.partition(".")[0] == "supervisor"])
def test_the_supervisor_imports_neither_django_nor_the_worker(name):
    found = reachable(name)

    outside = {each[1:].partition(".")[0] for each in found if each.startswith(".")}
    assert outside <= sys.stdlib_module_names
    assert {each.partition(".")[0] for each in found if each in MODULES} <= {
        "supervisor", "page", "failure", "ipc", "journal", "observation", "package", "project_paths",
    }  # fmt: skip


@pytest.mark.parametrize("program", ["import {name}.supervisor.main", "from {name} import take_over"])
def test_the_running_supervisor_has_neither_django_nor_the_worker(program):
    code = f"import sys; {program.format(name=NAME)}; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    assert f"{NAME}.package" in loaded
    assert [name for name in loaded if name == "django" or name.startswith("django.")] == []
    assert [name for name in loaded if name.startswith((f"{NAME}.worker", f"{NAME}.debugger"))] == []


def test_no_module_is_long():
    long = {name: lines for name, path in MODULES.items() if (lines := path.read_text().count("\n")) > MAX_LINES}

    assert long == {}


def test_the_two_places_that_name_the_version_agree():
    from ...package import VERSION

    assert f'\nversion = "{VERSION}"\n' in (PACKAGE / "pyproject.toml").read_text()


def test_every_folder_is_packed_into_the_wheel():
    import tomllib

    packages = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in MODULES.items()
        if path.name == "__init__.py"
    }

    assert set(packages) == {f"django_fast_reload.{folder}".rstrip(".") for folder in folders}
