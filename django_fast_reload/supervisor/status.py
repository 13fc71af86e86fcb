"""What pages and clients are told. The supervisor writes it, the endpoints read it."""

import os
import time
from collections import deque

from ..ipc import EDITOR, plain_failure
from ..package import VERSION
from .files import Files
from .loader import Loader
from .terminal import Terminal

MAX_HISTORY = 50
UNKNOWN = "The code does not load. Open this page at localhost, or at a name in ALLOWED_HOSTS, to see why."


class Status:
    """The load under way or the last one, and what came before."""

    def __init__(self, loader: Loader, files: Files, terminal: Terminal):
        self.loader, self.files, self.name = loader, files, terminal.name
        self.editor = EDITOR
        self.allowed_hosts: list[str] = []  # as the project's settings name them
        self.touched: deque[list] = deque(maxlen=MAX_HISTORY)  # [time, path] of templates and static files
        self.history: deque[dict] = deque(maxlen=MAX_HISTORY)

    def touch(self, paths: list[str]) -> None:
        self.touched += [[time.time(), os.path.realpath(path)] for path in paths]  # as pages name them

    def remember(self) -> None:
        """Keep the load that has ended for the history."""
        load = self.loader.load
        self.history.append(
            {
                "generation": load.number,
                "time": time.time(),
                "files": [self.name(path) for path in load.changed],
                "ms": round(load.milliseconds, 1),
                "before": self.name(load.before),
                "error": load.failure["title"] if load.failure else "",
            }
        )

    def state(self, is_known: bool = True) -> dict:
        """Return what an open page gets with each event; without any source where its host is not known."""
        load = self.loader.load
        return {
            "version": self.loader.version,
            "state": "broken" if load.failure else "serving" if self.loader.is_serving else "loading",
            "failure": load.failure if is_known else load.failure and plain_failure(UNKNOWN),
            "notice": load.notice if is_known else None,
            "touched": list(self.touched),
            "editor": self.editor,
        }

    def report(self) -> dict:
        """Return the answer of /__devserver__/status."""
        return {
            **self.state(),
            "generation": self.loader.load.number,
            "snapshots": [self.name(snapshot.before) for snapshot in self.loader.lineage.snapshots],
            "folders": len(self.files.watcher.watches),
            "history": list(self.history),
            "package": VERSION,
        }
