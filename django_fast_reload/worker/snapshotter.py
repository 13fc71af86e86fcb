"""Pause copies of the loading process, so that a later load can go on from there."""

import fcntl
import gc
import os
import re
import signal
import socket
import stat
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from importlib.machinery import FileFinder
from os import fork  # These three as they are before the project, in which gevent may replace them.
from select import select
from signal import signal as set_handler

from .. import ipc
from ..journal import Journal
from . import memory
from .recorder import Recorder

MIN_GAP = 0.08  # seconds of start-up between two snapshots
GROWTH = 0.04  # of the time since the start: a long start-up gets wider gaps, not more snapshots
WRITABLE_SHARED = re.compile(rb"^\S+ .w.s ", re.MULTILINE)  # a line of /proc/self/maps
GREENLETS = {"gevent.monkey", "eventlet.patcher"}
COLLECT_RARELY = (100_000, 50, 50)  # while loading: imports make objects by the thousand, and hardly any garbage


class Snapshotter:
    """Takes snapshots of this process at points that the loader names.

    orders: of the supervisor, when it started or resumed this process.
    """

    def __init__(self, recorder: Recorder, orders: ipc.Orders):
        self.recorder = recorder
        self.orders = orders
        self.started = self.last = time.perf_counter()
        self.taken = 0
        self.finalizers: list[tuple[int, set]] = []  # position of each snapshot, and what was to be finalized then
        self.is_obstructed = False
        # What a process does when it becomes a snapshot; what else a copy that stands by can do ahead, and what it
        # does where it ends unused.
        self.on_pause: Callable[[], None] = lambda: None
        self.on_warm: Callable[[ipc.Warm], None] = lambda orders: None
        self.on_unused: Callable[[], None] = lambda: None
        self.is_paused = False  # no snapshots from here on, and no message about it
        self.thresholds = gc.get_threshold()
        gc.set_threshold(*COLLECT_RARELY)
        self.inherited = {identity(status, fd) for fd, status in descriptors()}

    def finish(self) -> None:
        """Collect garbage as the interpreter does, from the first request on; leave it where the project decided."""
        gc.freeze()
        if gc.get_threshold() == COLLECT_RARELY:
            gc.set_threshold(*self.thresholds)

    def checkpoint(self, path: str, is_needed: bool = False) -> None:
        """Take a snapshot before `path`, if one is worth its cost here or needed, and the process can be copied."""
        if self.is_paused or threading.current_thread() is not threading.main_thread() or is_logging_configured_now():
            return
        now = time.perf_counter()
        gap = max(MIN_GAP, GROWTH * (now - self.started))
        if self.taken and not is_needed and path not in self.orders.hot and now - self.last < gap:
            return
        obstacle = self.obstacle()
        if obstacle is None:
            self.pause(path)
        elif not self.is_obstructed:
            self.is_obstructed = True
            self.recorder.send(ipc.Obstacle(path, obstacle))

    def obstacle(self) -> str | None:
        """Say what of this process can't be shared with a copy of it, if anything."""
        if not GREENLETS.isdisjoint(sys.modules):
            return "greenlets replace Python's threads"  # After a fork threading would not find the current one.
        if len(os.listdir("/proc/self/task")) > 1:
            names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
            return f"a module started a thread ({', '.join(names) or 'not of Python'})"
        own = (self.recorder.sock.fileno(), self.recorder.journal.fd)
        for fd, status in descriptors():
            if fd not in own and is_shared_badly(fd, status) and identity(status, fd) not in self.inherited:
                return "a module opened a connection, a pipe or a database"
        with suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
            if file.read():
                return "a module started a program"
        if is_memory_shared():
            return "a module shares memory or a lock between processes"
        return None

    def pause(self, path: str) -> None:
        """Fork: the parent becomes the snapshot, the child goes on and returns."""
        self.recorder.flush()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # Both halves would print what is buffered now.
        # Objects of before the fork are never collected again: else each collection copied all shared pages.
        gc.freeze()
        self.finalizers.append((self.recorder.count, finalizers()))
        ours, theirs = ipc.pair()
        try:
            pid = fork()
        except OSError:
            ours.close()
            theirs.close()
            return
        if pid:
            theirs.close()
            self.wait(ours)
            return
        ours.close()
        self.reopen()
        taken = ipc.Forked(os.getpid(), os.getppid(), self.recorder.count, path)
        self.recorder.send(taken, theirs.fileno())
        theirs.close()
        self.taken += 1
        self.last = time.perf_counter()

    def finalize(self, position: int) -> None:
        """Run the finalizers that belong to this process alone: those made after the last snapshot up to `position`.

        So a temporary folder goes with the process that made it, and not while a snapshot still has it.
        """
        shared = [made for count, made in self.finalizers if count <= position][-1:]
        for finalizer in sorted(finalizers().difference(*shared), key=made_at, reverse=True):
            with suppress(Exception):
                finalizer()

    def wait(self, sock: socket.socket) -> None:
        """Be the snapshot: return only in the copies that are told to go on."""
        self.recorder.sock.close()
        self.recorder.journal.close()
        self.on_pause()
        began = time.perf_counter()
        reaping = set_handler(signal.SIGCHLD, signal.SIG_IGN) or signal.SIG_DFL
        while True:
            orders, fds = ipc.receive(sock)
            if orders is None:
                os._exit(0)
            taken, leaving = os.pipe()
            try:
                is_copy = fork() == 0
            except OSError:
                os._exit(1)  # No memory: the supervisor sees the connection close and takes an older snapshot.
            if is_copy:
                os.close(taken)
                break
            os.close(leaving)
            for fd in fds:
                os.close(fd)
            os.read(taken, 1)  # Returns when the copy has gone on: until then the next orders are for the copy.
            os.close(taken)
        set_handler(signal.SIGCHLD, reaping)
        self.reopen()
        while isinstance(orders, ipc.Warm):
            self.warm(orders, sock)
            orders, fds = ipc.receive(sock)
            if orders is None:
                self.on_unused()
                os._exit(0)
        os.close(leaving)
        sock.close()
        self.recorder.sock, self.recorder.journal = ipc.adopt(fds[0]), Journal(fds[1])
        self.orders = orders
        self.taken += 1
        self.last = time.perf_counter()
        self.started += self.last - began  # The time spent here is no part of the start.
        self.recorder.send(ipc.Forked(os.getpid()))
        self.forget_listings()

    def reopen(self) -> None:
        """Get a position of its own in each file that a module holds open for reading: others read there too."""
        for fd, status in list(descriptors()):
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
            is_read = stat.S_ISREG(status.st_mode) and flags & os.O_ACCMODE == os.O_RDONLY
            if is_read and identity(status, fd) not in self.inherited:
                with self.recorder.unobserved(), suppress(OSError):
                    new = os.open(f"/proc/self/fd/{fd}", flags)
                    os.lseek(new, os.lseek(fd, 0, os.SEEK_CUR), os.SEEK_SET)
                    os.dup2(new, fd, os.get_inheritable(fd))
                    os.close(new)

    def warm(self, orders: ipc.Warm, sock: socket.socket) -> None:
        """Do, until the next orders come, what earlier processes did later: import what requests needed, copy memory.

        Copies of one process have the same things at the same addresses.
        """
        for path in list(sys.path_importer_cache):
            self.recorder.project.locate(path + "/", code=True)  # for forget_listings
        for name in orders.modules:
            if is_readable(sock):
                return
            with suppress(Exception):
                import_module(name)
        if not is_readable(sock):
            self.on_warm(orders)
        for first, number in orders.pages:
            if is_readable(sock):
                return
            memory.make_own(first, number)

    def forget_listings(self) -> None:
        """Make import list the project's folders again.

        importlib.invalidate_caches() would do, but may import importlib.metadata first, which takes longer than all
        the rest of a reload.
        """
        for path, finder in list(sys.path_importer_cache.items()):
            if finder is None:
                del sys.path_importer_cache[path]
            elif isinstance(finder, FileFinder) and self.recorder.project.locate(path + "/", code=True):
                finder.invalidate_caches()


def finalizers() -> set[weakref.finalize]:
    """Return what the interpreter would finalize at its exit, in a process that had an ordinary one."""
    return {finalizer for finalizer in weakref.finalize._registry if finalizer.atexit}


def made_at(finalizer: weakref.finalize) -> int:
    return weakref.finalize._registry[finalizer].index


def is_readable(sock: socket.socket) -> bool:
    return bool(select([sock], [], [], 0)[0])


def is_logging_configured_now() -> bool:
    """Tell whether logging imports a class that LOGGING names: it holds its lock, and a fork would take that away."""
    logging = sys.modules.get("logging")
    return logging is not None and logging._lock._is_owned()


def descriptors() -> Iterator[tuple[int, os.stat_result]]:
    """Yield each open descriptor, and what it leads to."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing itself
            yield int(name), os.fstat(int(name))


def identity(status: os.stat_result, fd: int) -> tuple:
    """Return what tells an open file, pipe or socket from others; its number says nothing, that is used again."""
    # Epoll, eventfd and the like have no type, and all of them one inode.
    return status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode) or fd


def is_shared_badly(fd: int, status: os.stat_result) -> bool:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        return flags & os.O_ACCMODE == os.O_RDWR and not flags & os.O_APPEND
    return not (stat.S_ISDIR(mode) or stat.S_ISCHR(mode))


def is_memory_shared() -> bool:
    """Tell whether there is memory that a copy would not get for itself: a lock of multiprocessing, mmap(-1)."""
    with open("/proc/self/maps", "rb", buffering=0) as file:
        return bool(WRITABLE_SHARED.search(file.readall()))
