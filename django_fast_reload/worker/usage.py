"""Which functions of the project run, and how the modules that hold them are made.

So a save that changes the inside of a function concerns the tests that ran this function, and no other.
"""

import dis
import hashlib
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType

from ..observation import digest
from ..project_paths import ProjectPaths

TOOL = 4  # of sys.monitoring; debuggers, coverage and profilers have others
TOP = "<module>"  # key of a shape: all that runs when the module is imported
Used = set[tuple[str, str]]  # path and function; the function is empty where the path is no module


class Usage:
    """Collects what runs. While nothing else is asked for, that is what the load itself needs."""

    def __init__(self, project: ProjectPaths):
        self.project = project
        self.known: dict[str, str] = {}  # file name of code: path; empty where it is not the project's
        self.modules: dict[str, CodeType] = {}  # path: code of the module as it ran
        self.loaded: Used = set()  # ran while the project was loaded
        self.current = self.loaded

    def start(self) -> None:
        monitoring = sys.monitoring
        monitoring.use_tool_id(TOOL, "django_fast_reload")
        monitoring.register_callback(TOOL, monitoring.events.PY_START, self.on_start)
        monitoring.set_events(TOOL, monitoring.events.PY_START)

    def on_start(self, code: CodeType, offset: int):
        path = self.known.get(code.co_filename)
        if path is None:
            path = self.project.locate(os.path.abspath(code.co_filename), code=True) or ""
            self.known[code.co_filename] = path
        if not path:
            return sys.monitoring.DISABLE
        self.current.add((path, code.co_qualname))
        if code.co_qualname == TOP:
            self.modules[path] = code
        return None

    def read(self, path: str) -> None:
        """Note a file that is no module."""
        self.current.add((path, ""))

    @contextmanager
    def collect(self, used: Used) -> Iterator[None]:
        """Note in `used` what runs inside, and then also where it was noted before."""
        before, self.current = self.current, used
        try:
            yield
        finally:
            self.current = before
            if before is not self.loaded:
                before |= used

    def shape(self, path: str) -> dict[str, str] | None:
        """Return the shape of a module as it ran; where it was not imported, as it is on disk; None if it is broken."""
        code = self.modules.get(path)
        if code is None:
            try:
                with open(path, "rb") as file:
                    code = compile(file.read(), path, "exec", dont_inherit=True)
            except (OSError, SyntaxError, ValueError):
                return None
        return shape_of(code)

    def importers(self, path: str) -> set[str]:
        """Return the modules that import, perhaps through others, a module with the name of this file."""
        found, todo = set(), [path]
        while todo:
            name = module_name(todo.pop())
            news = {other for other, code in self.modules.items() if other not in found and imports(code, name)}
            found |= news
            todo += news
        return found - {path}


def shape_of(code: CodeType) -> dict[str, str]:
    """Return a digest of each function by its name, and of all that is in none of them. Line numbers do not count."""
    parts: dict[str, list[str]] = {}
    collect_parts(code, TOP, parts)
    return {name: digest("\0".join(texts).encode(errors="surrogatepass")) for name, texts in parts.items()}


def collect_parts(code: CodeType, name: str, parts: dict[str, list[str]]) -> None:
    consts = []
    for const in code.co_consts:
        if isinstance(const, CodeType):
            is_function = const.co_flags & inspect.CO_OPTIMIZED  # The body of a class runs with what is around it.
            consts.append(const.co_qualname)
            collect_parts(const, const.co_qualname if is_function else name, parts)
        else:
            consts.append(sorted(map(repr, const)) if isinstance(const, frozenset) else repr(const))
    own = (
        hashlib.blake2b(code.co_code).hexdigest(), hashlib.blake2b(code.co_exceptiontable).hexdigest(),
        code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_argcount,
        code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, consts,
    )  # fmt: skip
    parts.setdefault(name, []).append(repr(own))


def module_name(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] if name == "__init__.py" else name.partition(".")[0]


def imports(code: CodeType, name: str) -> bool:
    """Tell whether code has an import of a module with this last name."""
    if any(each.rpartition(".")[2] == name for each in code.co_names) and any(
        step.opname in ("IMPORT_NAME", "IMPORT_FROM") and str(step.argval).rpartition(".")[2] == name
        for step in dis.get_instructions(code)
    ):
        return True
    return any(isinstance(const, CodeType) and imports(const, name) for const in code.co_consts)
