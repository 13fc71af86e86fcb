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
        empty = is_empty(path)
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


def is_empty(path: str) -> bool:
    """Tell whether a file is missing or truncated: some editors close it once before they write."""
    try:
        return os.stat(path).st_size == 0
    except OSError:
        return True
