"""Describe an error of the project as data, the innermost line first."""

import linecache
import os
import sys
import traceback

from ..failure import Failure, Frame
from ..package import FOLDER as PACKAGE
from ..project_paths import INSTALLED, ProjectPaths
from .hints import chain, hint

AROUND = 5  # lines of source shown on each side
MAX_MESSAGE = 8000  # characters
MAX_TEXT = 4 * MAX_MESSAGE  # characters of the whole traceback
MAX_FRAMES = 20
MAX_LIBRARY_FRAMES = 60


def describe(error: BaseException, project: ProjectPaths) -> Failure:
    """Return what the error page and the terminal show."""
    refusal = str(error.code) if isinstance(error, SystemExit) else ""
    linecache.clearcache()  # A snapshot may remember the lines of an older file.
    if isinstance(error, SystemExit) and error.__context__ is not None:
        error = error.__context__  # Django turns a CommandError into an exit.
    frames = []
    for link in chain(error):
        frames += frames_of(link, project)
    # manage.py, whatever its name, is in every traceback and says least.
    main = os.path.abspath(getattr(sys.modules["__main__"], "__file__", None) or "")
    frames.sort(key=lambda frame: frame["name"] == "<module>" and frame["path"] == main)
    own = [frame for frame in frames if not frame["library"]][:MAX_FRAMES]
    others = [frame for frame in frames if frame["library"]][:MAX_LIBRARY_FRAMES]
    first = own[0] if own else {"path": "", "line": 0, "where": ""}
    return {
        "title": title(error),
        "hint": next(filter(None, (hint(link, project) for link in chain(error))), ""),
        **{name: first[name] for name in ("path", "line", "where")},
        "frames": [frame for frame in frames if frame in own or frame in others],
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


def frames_of(error: BaseException, project: ProjectPaths) -> list[Frame]:
    """Return the frames of one error, innermost first, without those of import and of this server."""
    frames = [
        frame(summary.filename, summary.lineno, project, summary.name, *columns(summary))
        for summary in reversed(traceback.extract_tb(error.__traceback__))
        if not summary.filename.startswith(("<", PACKAGE + "/"))
    ]
    if isinstance(error, SyntaxError) and error.filename and os.path.exists(error.filename):
        column = error.offset or 1
        frames.insert(0, frame(error.filename, error.lineno or 1, project, "", column, error.end_offset or column))
    return frames


def columns(summary: traceback.FrameSummary) -> tuple[int, int]:
    """Return the first column, from 1, and the one after the last: Python counts bytes."""
    line = linecache.getline(summary.filename, summary.lineno).rstrip("\n").encode()
    if summary.colno is None:
        return 1, 1
    end = summary.end_colno if summary.end_lineno == summary.lineno else len(line)
    return tuple(len(line[:count].decode(errors="replace")) + 1 for count in (summary.colno, end))


def frame(path: str, line: int, project: ProjectPaths, name: str, column: int, end: int) -> Frame:
    path = os.path.abspath(path)
    library = "" if project.locate(path, code=True) else library_of(path)
    around = 0 if library else AROUND
    lines = range(max(1, line - around), line + around + 1)
    source = [[number, linecache.getline(path, number).rstrip("\n")[:300]] for number in lines]
    while source and not source[-1][1]:
        source.pop()
    return {
        "path": path,
        "line": line,
        "column": column,
        "end": end,
        "name": name,
        "where": path if library else os.path.relpath(path, project.root),
        "source": source,
        "library": library,
    }


def library_of(path: str) -> str:
    """Return the name of the package that a file belongs to."""
    for folder in INSTALLED:
        _, found, inside = path.rpartition(f"/{folder}/")
        if found:
            return inside.partition("/")[0].removesuffix(".py")
    return "Python"


def full_text(error: BaseException) -> str:
    """Return the traceback as Python prints it, without the frames of this server and of import."""
    whole = traceback.TracebackException.from_exception(error)
    parts = [whole]
    for part in parts:
        part.stack[:] = [line for line in part.stack if not line.filename.startswith(("<frozen importlib", PACKAGE))]
        parts += [link for link in (part.__cause__, part.__context__) if link is not None]
    return "".join(whole.format())
