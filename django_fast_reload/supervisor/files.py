"""The project's files as the supervisor sees them: what was touched, and when it is settled."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..observation import CODE, FILE, LIST, TESTS
from ..project_paths import INSTALLED, ProjectPaths, resolve
from .dependencies import Dependencies
from .inotify import ISDIR, OVERFLOW, RENAMING, Watcher, is_native
from .settling import Settling, stat_of

GIT_QUIET = 0.5  # seconds without an event after which git, which still has .git/index.lock, changes no files
GIT_TIMEOUT = 10.0  # seconds after which a change no longer waits for git, whatever happens
GIT_POLL = 0.005  # seconds
SCAN_PAUSE = 10  # pause between scans of all templates and static files, as a multiple of the last scan's duration
SKIPPED = {".git", ".hg", ".svn", *INSTALLED}  # folders without templates
MAX_AGE = 0.02  # seconds after which all files are scanned again without a request, where events can't be trusted
CLOCK_STEP = 0.01  # seconds; two saves in less may leave the same time of change on Linux before 6.13
READ_TIME = 0.002  # seconds for reading files that seem unchanged, in each pass


class Files:
    """Watches the folders in which something can change for the live process or for Django.

    dependencies: what the live process used.
    folders: what Django's own receivers, templates and static files ask to watch, below which all counts.
    """

    def __init__(self, project: ProjectPaths, dependencies: Dependencies):
        self.project, self.dependencies = project, dependencies
        self.folders: tuple[str, ...] = ()
        self.static: set[str] = set()  # those of `folders` below which symlinks are not followed
        self.aliases: dict[str, set[str]] = {}  # path: the symlinks below `folders` that lead to it or through it
        self.others: set[str] = set()
        self.watcher = Watcher()
        self.is_native = is_native(project.root)
        self.settling = Settling(self.is_native)
        self.signatures: dict[str, tuple] = {}
        self.told: set[str] = set()  # folders of which events told since the last sweep
        self.below: dict[str, tuple] = {}  # signatures of all files in `folders`, where no event tells of them
        self.unread: list[tuple[str, str]] = []
        self.began = self.swept = self.next_scan = 0.0
        self.git_lock, self.ignored_lock = git_lock(project.root), None

    def add_records(self, records: list) -> None:
        """Take in what a process used, and look whether that is still so: it may have changed meanwhile."""
        for record in records:
            self.dependencies.add(*record)
        keys = [key for kind, path, _ in records if (key := (kind, path)) in self.dependencies.values]
        self.watch(keys)
        self.suspect(self.dependencies.broken(keys))

    def watch(self, keys) -> None:
        """Watch the folders of some records. Call it before the records are compared with the files."""
        folders = self.dependencies.folders(keys)
        for folder in folders:
            self.watcher.watch(folder)
        self.compare_if_full()
        if not self.is_native:  # No event will tell what happens before the next sweep.
            for path in folders.union(path for _, path in keys):
                self.signatures.setdefault(path, self.signature(path))

    def watch_files(self, paths: list[str]) -> None:
        """Watch files that no process uses."""
        self.others.update(paths)
        for path in self.others:
            self.watcher.watch(os.path.dirname(path))

    def watch_below(self, folders: list[str], static: list[str]) -> None:
        self.static = {f"{folder}/" for folder in static} - {f"{folder}/" for folder in folders}
        self.folders = tuple({f"{folder}/": None for folder in [*folders, *static]})
        self.watch_again()

    def watch_again(self) -> None:
        """Watch what is now in the folders that Django asks for."""
        self.aliases.clear()
        for place, _, symlinks in self.walk():
            self.watcher.watch(place)
            for name in symlinks:
                self.watch_target(f"{place}/{name}")
        self.compare_if_full()
        if not self.is_native:
            self.below = {**self.scan_below(), **self.below}

    def walk(self) -> Iterator[tuple[str, list[str], list[str]]]:
        for folder in self.folders:
            yield from walk(folder[:-1], self.project.root, folder not in self.static)

    def watch_target(self, link: str) -> None:
        """See what happens to the file or folder that a symlink leads to, and to the links on the way."""
        real, links = resolve(link)
        for path in [*links, real]:
            if path != link:
                self.aliases.setdefault(path, set()).add(link)
                self.watcher.watch(os.path.dirname(path))

    def compare_if_full(self) -> None:
        """Where the kernel gives no more watches, compare the files themselves, as where events can't be trusted."""
        if self.watcher.full:
            self.is_native = self.settling.is_native = False

    def collect(self, since: float = 0.0) -> None:
        """Take in all that happened so far, or at least until `since` where events can't be trusted."""
        now = time.monotonic()
        if not self.is_native and (self.began < since or now - self.swept > MAX_AGE):
            self.sweep()
        is_changed = is_lost = False  # which folders there are; events
        for path, mask in self.events():
            if mask & OVERFLOW:
                is_changed = is_lost = True
                continue
            if mask & ISDIR or (mask & RENAMING and self.is_link(path)):
                is_changed = True
                self.watcher.forget(path)
            self.told.add(os.path.dirname(path))
            if self.is_wanted(path, mask):
                self.settling.note(path, mask, now)
        if is_lost:
            self.watcher.forget("")  # Folders may have been removed and made again.
        if is_changed:
            # What was made in a new folder until now is seen when the folder, which was noted above, is judged.
            self.watch(self.dependencies.values)
            self.watch_files([])
            self.watch_again()
        if is_lost:
            self.suspect([*self.others, *(path for _, path in self.dependencies.values), *self.scan_below()])

    def events(self) -> Iterator[tuple[str, int]]:
        """Yield all events so far, each under all names of its file."""
        for path, mask in self.watcher.drain():
            yield path, mask
            for alias in list(self.aliases.get(path, ())):
                yield alias, mask

    def is_link(self, path: str) -> bool:
        """Tell whether something below the folders that Django asks for is a symlink, or leads on from one."""
        return path in self.aliases or (path.startswith(self.folders) and os.path.islink(path))

    def is_wanted(self, path: str, mask: int) -> bool:
        """Tell whether anyone wants to know of this event: a log file must hold up no request."""
        if path in self.others or path.startswith(self.folders) or path in self.settling.pending:
            return True
        kinds = {kind for kind, _ in self.dependencies.related(path, bool(mask & ISDIR))}
        return bool(kinds if mask & RENAMING else kinds - {LIST, TESTS})  # Writing into a file changes no names.

    def suspect(self, paths) -> None:
        """Look at these files although no event came for them."""
        now = time.monotonic()
        for path in paths:
            self.settling.note(path, 0, now)

    def scan(self) -> None:
        self.sweep()
        if not self.is_native:
            self.read_some()

    def sweep(self) -> None:
        """Compare the stat of all files that were used: a safety net for events that were lost, or never sent."""
        self.began = time.monotonic()
        signatures = {path: self.signature(path) for path in self.dependencies.places() | self.others}
        if self.is_native:
            self.collect()  # Where an event names the file, its folder would be a change of its own.
        different = {path for path, seen in signatures.items() if self.signatures.get(path, seen) != seen}
        self.suspect(different - self.told if self.is_native else different)
        self.told.clear()
        self.signatures = signatures
        self.swept = time.monotonic()
        if not self.is_native and self.swept > self.next_scan:
            below = self.scan_below()
            self.suspect(path for path in below.keys() | self.below.keys() if below.get(path) != self.below.get(path))
            self.below = below
            # Thousands of static files on a slow mount must not slow down each request.
            now = time.monotonic()
            self.next_scan = now + SCAN_PAUSE * (now - self.swept)

    def scan_below(self) -> dict[str, tuple]:
        """Return the signatures of all files in the folders that Django asks for: no process names those it uses."""
        paths = [f"{place}/{name}" for place, names, _ in self.walk() for name in names]
        return {path: self.signature(path) for path in paths}

    def signature(self, path: str) -> tuple:
        """Return what tells by time and size that a file was saved."""
        found = stat_of(path)
        if found and not self.is_native and abs((now := time.time_ns()) - found[0]) < CLOCK_STEP * 1e9:
            return *found, now  # Another save may leave the same times: never equal to the next signature.
        return found

    def read_some(self) -> None:
        """Read files that seem unchanged: a write through a memory map may leave size and time as they were."""
        self.unread = self.unread or [key for key in self.dependencies.values if key[0] in (FILE, CODE)]
        deadline = time.monotonic() + READ_TIME
        while self.unread and time.monotonic() < deadline:
            key = self.unread.pop()
            if key in self.dependencies.values:
                self.suspect(self.dependencies.broken([key]))

    def take(self) -> set[str]:
        """Return the files to judge, once all have settled and git is not in the middle of a checkout."""
        due = self.settling.due()
        if due is None or due > time.monotonic() or self.is_git_busy():
            return set()
        paths = self.settling.take()
        # The next sweep is to find what happens from here on. They are read after this, so nothing can get between.
        self.signatures |= {path: self.signature(path) for path in paths & self.signatures.keys()}
        return paths

    def wait(self) -> float | None:
        """Return the seconds until `take` may return something; None where nothing was touched."""
        due = self.settling.due()
        if due is None:
            return None
        left = due - time.monotonic()
        return left if left > 0 else GIT_POLL

    def is_git_busy(self) -> bool:
        """Tell whether git is in the middle of a checkout.

        `git commit` has the lock for as long as its editor is open, and a git that died for ever: after one wait in
        which nothing happened, the same lock is not waited for again.
        """
        lock = stat_of(self.git_lock)
        if not lock or lock == self.ignored_lock:
            return False
        now = time.monotonic()
        if now < self.settling.last + GIT_QUIET and now < self.settling.first + GIT_TIMEOUT:
            return True
        self.ignored_lock = lock
        return False


def walk(folder: str, root: str, follow: bool, above: tuple = ()) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield `folder` and each below it, with the names of its files and, where they are to be followed, symlinks.

    root: of the project; the hidden folders in it are those of tools.
    """
    try:
        status, entries = os.stat(folder), list(os.scandir(folder))
    except OSError:
        return
    me = (status.st_dev, status.st_ino)
    if me in above:
        return  # A symlink to a folder that it is in itself.
    files = [entry.name for entry in entries if not entry.is_dir()]
    yield folder, files, [entry.name for entry in entries if follow and entry.is_symlink()]
    for entry in entries:
        is_hidden = entry.name.startswith(".") and folder == root
        if entry.is_dir(follow_symlinks=follow) and entry.name not in SKIPPED and not is_hidden:
            yield from walk(f"{folder}/{entry.name}", root, follow, (*above, me))


def git_lock(root: str) -> str:
    """Return the file that exists while git changes the working tree of `root`; empty where git has none."""
    for place in (Path(root), *Path(root).parents):
        folder = place / ".git"
        with suppress(OSError, ValueError):
            if folder.is_file():  # a worktree or a submodule
                folder = place / folder.read_text().partition(":")[2].strip()
            if folder.is_dir():
                return str(folder / "index.lock")
    return ""
