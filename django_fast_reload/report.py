"""Describe an error of the project as data, the developer's own lines first."""

import linecache
import os
import traceback

from .project import ENGINE

AROUND = 5  # lines of source shown on each side
LONGEST = 8000  # characters of one message


def describe(error: BaseException, project) -> dict:
    """Return what the error page and the terminal show.

    {"title": str, "path": str, "line": int, "where": str, "frames": frames of the developer's own code, innermost
    first, "text": the full traceback, "refusal": what the project said when it ended the process on purpose, or ""};
    a frame is {"path", "line", "name", "source": [[number, text]]}.
    """
    refusal = str(error.code) if isinstance(error, SystemExit) else ""
    linecache.clearcache()  # A snapshot may remember the lines of an older file.
    if isinstance(error, SystemExit) and error.__context__ is not None:
        error = error.__context__  # Django turns a CommandError into an exit.
    frames = []
    for link in chain(error):
        frames += own_frames(link, project)
    # manage.py stands in every traceback and says least.
    frames.sort(key=lambda frame: frame["name"] == "<module>" and frame["path"].endswith("/manage.py"))
    first = frames[0] if frames else {"path": "", "line": 0}
    return {
        "title": title(error),
        "path": first["path"],
        "line": first["line"],
        "where": os.path.relpath(first["path"], project.root) if first["path"] else "",
        "frames": frames[:20],
        "text": full_text(error)[-4 * LONGEST :],
        "refusal": refusal,
    }


def title(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        message = error.msg
    elif isinstance(error, SystemExit):
        message = f"the project ended the process with {error.code!r}"
    else:
        message = str(error)
    return f"{type(error).__name__}: {message[:LONGEST]}".removesuffix(": ")


def chain(error: BaseException | None):
    """Yield the error, then what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def own_frames(error: BaseException, project) -> list[dict]:
    frames = [
        frame(summary.filename, summary.lineno, summary.name, project)
        for summary in reversed(traceback.extract_tb(error.__traceback__))
        if project.locate(os.path.abspath(summary.filename), code=True)
    ]
    if isinstance(error, SyntaxError) and error.filename and os.path.exists(error.filename):
        frames.insert(0, frame(error.filename, error.lineno or 1, "", project))
    return frames


def frame(path: str, line: int, name: str, project) -> dict:
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
        part.stack[:] = [line for line in part.stack if not line.filename.startswith(("<frozen importlib", ENGINE))]
        parts += [link for link in (part.__cause__, part.__context__) if link is not None]
    return "".join(whole.format())
