"""Wait until a touched file is as its writer wants it."""

import os

from .inotify import CREATE, DELETE, DONE, ISDIR, MODIFY, MOVED_FROM

SETTLE = 0.015  # seconds without a further event after which a file counts as written
GONE = 0.1  # seconds after which a deleted file counts as deleted: many editors save by renaming and creating
OPEN = 1.0  # seconds that a file which is still being written may hold up a reload


class Settling:
    """The files that were touched: editors truncate, rename, and write again."""

    def __init__(self, is_native: bool):
        self.is_native = is_native
        self.pending: dict[str, float] = {}  # path: time when it counts as written; 0 where it is
        self.since: dict[str, float] = {}
        self.first = self.last = 0.0  # when the first and the last of these were touched

    def note(self, path: str, mask: int, now: float) -> None:
        self.first, self.last = self.first if self else now, now
        found = stat_of(path)
        empty = not found or found[1] == 0  # Some editors close it once before they write.
        if mask & DONE and not empty:
            self.pending[path] = 0.0
            return
        if mask & (DELETE | MOVED_FROM):
            delay = GONE
        elif self.is_native and (mask & MODIFY or (mask & CREATE and empty)) and not mask & ISDIR:
            delay = OPEN  # The event of its closing will come, and ends this.
        else:
            delay = SETTLE
        first = self.since.setdefault(path, now)
        self.pending[path] = min(now + delay, first + OPEN)

    def __bool__(self) -> bool:
        return bool(self.pending)

    def due(self) -> float | None:
        """Return when the last of these files counts as written: 0 for now, None where there is none."""
        return max(self.pending.values(), default=None)

    def take(self) -> set[str]:
        paths = set(self.pending)
        self.pending.clear()
        self.since.clear()
        return paths


def stat_of(path: str) -> tuple[int, ...]:
    """Return time of change in ns, size and inode; nothing where there is no such file."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
