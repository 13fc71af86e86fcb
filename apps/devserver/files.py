"""The project's files as the supervisor sees them: what was touched, and when it is settled."""

import os
import time

from .processes import RETRY
from .project import Project
from .trace import Trace
from .watcher import ISDIR, OVERFLOW, Settling, Watcher, is_native

GIT_LOCK_AGE = 10.0  # seconds after which .git/index.lock was left behind by a git that died
STALE = 0.02  # seconds for which one look at all files is enough, where events can't be trusted


class Files:
    """Watches the folders in which something can change for the live process or for Django.

    trace: what the live process used.
    folders: what Django's own receivers, templates and static files ask to watch, below which all counts.
    """

    def __init__(self, project: Project, trace: Trace):
        self.project, self.trace = project, trace
        self.folders: tuple[str, ...] = ()
        self.others: set[str] = set()
        self.watcher = Watcher()
        self.is_native = is_native(project.root)
        self.settling = Settling(self.is_native)
        self.signatures: dict[str, tuple] = {}
        self.swept = 0.0

    def watch(self, keys) -> None:
        """Watch the folders of some records of the trace. Call it before the records are compared with the files."""
        folders = self.trace.folders(keys)
        for folder in folders:
            self.watcher.watch(folder)
        if not self.is_native:  # No event will tell what happens before the next sweep.
            for path in folders.union(path for _, path in keys):
                self.signatures.setdefault(path, stat_of(path))

    def also(self, paths: list[str]) -> None:
        """Watch files that no process uses."""
        self.others.update(paths)
        for path in paths:
            self.watcher.watch(os.path.dirname(path))

    def watch_below(self, folders: list[str]) -> None:
        self.folders = tuple(f"{folder}/" for folder in folders)
        for folder in self.folders:
            for place, names, _ in os.walk(folder):
                names[:] = [name for name in names if not name.startswith(".") and name != "node_modules"]
                self.watcher.watch(place.rstrip("/"))

    def collect(self) -> None:
        """Take in all that happened so far."""
        now = time.monotonic()
        if not self.is_native and now - self.swept > STALE:
            self.sweep()
        for path, mask in self.watcher.drain():
            if mask & OVERFLOW:
                self.suspect([path for _, path in self.trace.values])
                continue
            if mask & ISDIR:
                self.watcher.forget(path)
                self.watch(self.trace.values)
                self.watch_below([folder[:-1] for folder in self.folders])
            # Only what someone may want to know of: a log file must hold up no request.
            if path in self.others or path.startswith(self.folders) or self.trace.related(path, bool(mask & ISDIR)):
                self.settling.note(path, mask, now)

    def suspect(self, paths) -> None:
        """Look at these files although no event came for them."""
        now = time.monotonic()
        for path in paths:
            self.settling.note(path, 0, now)

    def sweep(self) -> None:
        """Compare the stat of all files that were used: a safety net for events that were lost, or never sent."""
        signatures = {path: stat_of(path) for path in self.trace.places()}
        self.suspect(path for path, seen in signatures.items() if self.signatures.get(path, seen) != seen)
        self.signatures = signatures
        self.swept = time.monotonic()

    def take(self) -> set[str]:
        """Return the files to judge, once all have settled and git is not in the middle of a checkout."""
        due = self.settling.due()
        if due is None or due > time.monotonic() or self.is_git_busy():
            return set()
        paths = self.settling.take()
        # The next sweep is to find what happens from here on. They are read after this, so nothing can get between.
        self.signatures |= {path: stat_of(path) for path in paths & self.signatures.keys()}
        return paths

    def wait(self) -> float | None:
        """Return the seconds until `take` may return something; None where nothing was touched."""
        due = self.settling.due()
        if due is None:
            return None
        left = due - time.monotonic()
        return left if left > 0 else RETRY

    def is_git_busy(self) -> bool:
        try:
            status = os.stat(f"{self.project.root}/.git/index.lock")
        except OSError:
            return False
        return time.time() - status.st_mtime < GIT_LOCK_AGE


def stat_of(path: str) -> tuple:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
