"""Note, inside the process that loads the project, every project file in the order in which it is used.

The supervisor keeps these records. A snapshot is good for as long as all that was recorded before it holds.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from importlib.machinery import FileFinder, SourceFileLoader

from .. import ipc
from ..journal import Journal
from ..observation import CODE, FILE, LINK, LIST, LOOK, TESTS, digest, observe
from ..project_paths import ProjectPaths, resolve
from .bytecode import Bytecode, as_importlib

WAKE_INTERVAL = 0.01  # seconds; the supervisor compares what was recorded while this process goes on, on another core
WRITES = os.O_WRONLY | os.O_RDWR
LISTING_MODULES = {"pkgutil", "_fast_reload.database_sources"}  # these look for modules, migrations above all


class Recorder:
    """Collect records and send them to the supervisor.

    A record is [kind, path, what was seen]. While the project loads the supervisor is woken for them now and then;
    later, at once for each record that a request makes.

    sock, journal: to the supervisor.
    """

    def __init__(self, project: ProjectPaths, sock: socket.socket, journal: Journal):
        self.project = project
        self.sock, self.journal = sock, journal
        self.woken = time.perf_counter()
        self.is_loading = True
        self.count = 0
        self.seen: set[tuple[str, str]] = set()
        self.unsent: list[list[str]] = []
        self.looking = threading.local()
        self.lock = threading.RLock()
        self.is_testing = False  # tests run: what they list may be what they write
        self.ignored: tuple[str, ...] = ()  # how the paths of files begin that are not recorded
        self.on_read: Callable[[str], None] = lambda path: None  # called with each file of the project that is read
        self.before_bind = lambda: None  # called before anything listens while the project loads
        self.before_debugger = lambda: None  # called before a debugger reads from the terminal
        project.on_link = lambda link, target: self.add(LINK, link, target)

    def add(self, kind: str, path: str, value: str | None = None) -> None:
        if (kind, path) in self.seen:
            return
        self.seen.add((kind, path))
        if value is None:
            with self.unobserved():
                value = observe(kind, path)
        if kind in (FILE, CODE) and os.path.islink(path):
            real, links = resolve(path)
            for link, target in links.items():
                self.add(LINK, link, target)
            self.add(kind, real, value)  # A save changes that one, perhaps in another folder.
        with self.lock:
            self.count += 1
            self.unsent.append([kind, path, value])
        if not self.is_loading:
            self.flush()

    def flush(self) -> None:
        with self.lock:
            if self.unsent:
                self.journal.write(self.unsent)
                self.unsent.clear()
            now = time.perf_counter()
            if not self.is_loading or now - self.woken > WAKE_INTERVAL:
                self.woken = now
                self.send(ipc.Recorded())

    def send(self, message, *fds: int) -> None:
        """Send a message to the supervisor."""
        try:
            ipc.send(self.sock, message, *fds)
        except OSError:
            if self.is_loading:
                os._exit(0)  # The supervisor has ended, or no longer waits for this load.

    @contextmanager
    def unobserved(self):
        """Keep what this process itself looks at out of the records."""
        before, self.looking.now = getattr(self.looking, "now", False), True
        try:
            yield
        finally:
            self.looking.now = before

    def is_recorded(self, path) -> bool:
        # Requests read data afresh each time; only what start-up reads has become part of the process.
        is_own = getattr(self.looking, "now", False)
        return self.is_loading and not is_own and isinstance(path, (str, bytes, os.PathLike))

    def audit(self, event: str, args: tuple) -> None:
        if event == "open":
            path, _, flags = args
            if self.is_recorded(path):
                self.opened(os.fsdecode(path), flags or 0)
        elif event in ("os.listdir", "os.scandir"):
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if self.is_testing and caller not in LISTING_MODULES:
                return
            if caller.startswith(("importlib.metadata", "importlib_metadata")):
                return  # It looks for installed packages in all of sys.path, of which the project is the first.
            path = "." if args[0] is None else args[0]
            if self.is_recorded(path):
                folder = self.project.locate(os.path.abspath(os.fsdecode(path)) + "/")
                if folder:
                    self.add(TESTS if caller.startswith("_pytest.") else LIST, folder[:-1])
        elif event == "import" and args[1]:  # an extension module
            path = self.project.locate(os.path.abspath(args[1]), code=True)
            if path:
                self.add(FILE, path)
        elif event == "socket.bind" and self.is_loading:
            self.before_bind()
        elif event == "pdb.Pdb" and self.is_loading and sys._getframe(2).f_globals.get("__name__") != "doctest":
            self.send(ipc.Debugging())
            self.before_debugger()

    def opened(self, path: str, flags: int) -> None:
        path = self.project.locate(os.path.abspath(path), data=True)
        if path is None or path.startswith(self.ignored):
            return
        if flags & WRITES:
            # What start-up itself writes (a log, a manifest) would make it start again for ever.
            self.seen.update([(FILE, path), (CODE, path)])
            self.add("written", path, "")
        else:
            self.on_read(path)
            self.add(FILE, path)

    def install(self, before_module, bytecode: Bytecode) -> None:
        """Hook into the import system, which stays otherwise as it is.

        before_module: called with the path of each project module just before its source is read.
        """
        find_spec, get_code = FileFinder.find_spec, SourceFileLoader.get_code

        def find_and_record(finder, fullname, target=None):
            folder = self.project.locate(finder.path + "/", code=True)
            if folder is None:
                return find_spec(finder, fullname, target)
            with self.unobserved():  # Import's own listing is no dependency: only the name it looks for is.
                spec = find_spec(finder, fullname, target)
            name = fullname.rpartition(".")[2]
            if spec is None:
                found = ""
            elif spec.origin is None:
                found = f"{name}/"
            else:
                found = spec.origin[len(finder.path.rstrip("/")) + 1 :]  # A path may end with a slash.
            self.add(LOOK, folder + name, found)
            return spec

        @as_importlib
        def get_fresh_code(loader, fullname):
            path = self.project.locate(os.path.abspath(loader.get_filename(fullname)), code=True)
            if path is None:
                return get_code(loader, fullname)
            if self.is_loading:
                before_module(path)
            with self.unobserved():
                source = loader.get_data(loader.path)
            self.add(CODE, path, digest(source))
            self.flush()  # If this module ends the process, the supervisor must know what to watch.
            with self.unobserved():
                return bytecode.load(loader, loader.path, source)

        FileFinder.find_spec, SourceFileLoader.get_code = find_and_record, get_fresh_code
        sys.addaudithook(self.audit)
