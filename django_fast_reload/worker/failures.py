"""What pytest says of a test, as data."""

import os

from ..failure import TestFailure
from ..project_paths import ProjectPaths

MAX_MESSAGE = 2000  # characters
MAX_TEXT = 8000  # characters


def outcome_of(report) -> str:
    """Return what a report says of its test; empty where it says nothing yet."""
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if report.when != "call":
        return ""
    return "xpassed" if hasattr(report, "wasxfail") else "passed"


def failure_of(report, project: ProjectPaths) -> TestFailure:
    crash = getattr(report.longrepr, "reprcrash", None)
    path, line, message = (crash.path, crash.lineno, crash.message) if crash else ("", 0, "")
    traceback = getattr(report.longrepr, "reprtraceback", None)
    for entry in reversed(getattr(traceback, "reprentries", ())):
        place = getattr(entry, "reprfileloc", None)
        if place and project.locate(os.path.abspath(place.path), code=True):
            path, line = place.path, place.lineno  # the last line of the developer's own
            break
    text = str(report.longreprtext if hasattr(report, "longreprtext") else report.longrepr)
    path = os.path.abspath(path) if path else ""
    return TestFailure(
        test=report.nodeid,
        path=path,
        where=os.path.relpath(path, project.root) if path else "",
        line=line,
        message=(message or text.strip().rpartition("\n")[2])[:MAX_MESSAGE],
        text=text[-MAX_TEXT:],
    )
