"""Describe an error of the project as data, the developer's own lines first."""

import linecache
import os
import sys
import traceback

from ..ipc import Failure, Frame
from ..package import FOLDER as PACKAGE
from ..project_paths import ProjectPaths

AROUND = 5  # lines of source shown on each side
MAX_MESSAGE = 8000  # characters
MAX_TEXT = 4 * MAX_MESSAGE  # characters of the whole traceback
MAX_FRAMES = 20


def describe(error: BaseException, project: ProjectPaths) -> Failure:
    """Return what the error page and the terminal show."""
    refusal = str(error.code) if isinstance(error, SystemExit) else ""
    linecache.clearcache()  # A snapshot may remember the lines of an older file.
    if isinstance(error, SystemExit) and error.__context__ is not None:
        error = error.__context__  # Django turns a CommandError into an exit.
    frames = []
    for link in chain(error):
        frames += own_frames(link, project)
    # manage.py, whatever its name, is in every traceback and says least.
    main = os.path.abspath(getattr(sys.modules["__main__"], "__file__", None) or "")
    frames.sort(key=lambda frame: frame["name"] == "<module>" and frame["path"] == main)
    first = frames[0] if frames else {"path": "", "line": 0}
    return {
        "title": title(error),
        "path": first["path"],
        "line": first["line"],
        "where": os.path.relpath(first["path"], project.root) if first["path"] else "",
        "frames": frames[:MAX_FRAMES],
        "text": full_text(error)[-MAX_TEXT:],
        "refusal": refusal,
    }


def title(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        message = error.msg
    elif isinstance(error, SystemExit):
        message = f"the project ended the process with {error.code!r}"
    else:
        message = str(error)
    return f"{type(error).__name__}: {message[:MAX_MESSAGE]}".removesuffix(": ")


def chain(error: BaseException | None):
    """Yield the error, then what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def own_frames(error: BaseException, project: ProjectPaths) -> list[Frame]:
    frames = [
        frame(summary.filename, summary.lineno, summary.name, project)
        for summary in reversed(traceback.extract_tb(error.__traceback__))
        if project.locate(os.path.abspath(summary.filename), code=True)
    ]
    if isinstance(error, SyntaxError) and error.filename and os.path.exists(error.filename):
        frames.insert(0, frame(error.filename, error.lineno or 1, "", project))
    return frames


def frame(path: str, line: int, name: str, project: ProjectPaths) -> Frame:
    lines = range(max(1, line - AROUND), line + AROUND + 1)
    source = [[number, linecache.getline(path, number).rstrip("\n")[:300]] for number in lines]
    while source and not source[-1][1]:
        source.pop()
    path = os.path.abspath(path)
    return {"path": path, "line": line, "name": name, "where": os.path.relpath(path, project.root), "source": source}


def full_text(error: BaseException) -> str:
    """Return the traceback as Python prints it, without the frames of this server and of import."""
    whole = traceback.TracebackException.from_exception(error)
    parts = [whole]
    for part in parts:
        part.stack[:] = [line for line in part.stack if not line.filename.startswith(("<frozen importlib", PACKAGE))]
        parts += [link for link in (part.__cause__, part.__context__) if link is not None]
    return "".join(whole.format())
