"""The processes that hold the project: one that loads or serves, those it replaced, and the snapshots before it."""

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

from .. import ipc
from .dependencies import Dependencies
from .handles import Snapshot, Worker, spawn
from .shutdown import kill, stop_all

START_TIMEOUT = 3.0  # seconds that a snapshot gets to go on; one that was stopped never does
END_TIMEOUT = ipc.DRAIN_TIMEOUT + 10  # seconds after which a replaced process is killed: something keeps it
MAX_HOT = 8  # files that were edited last and get a snapshot of their own
MAX_SNAPSHOTS = 16
MAX_MEMORY = 512 << 20  # bytes that all snapshots may hold of their own


class Lineage:
    """One line of processes: each snapshot holds a part of what the live process has used, cut at its position.

    package: digest of this package, for processes that start from nothing.
    """

    on_message: Callable  # called with each message of the live process
    on_end: Callable[[Worker], None]  # called with the live process when it has ended by itself
    on_retired: Callable[[Worker], None]  # called with a live process that served and was told to end
    on_lost: Callable[[list[socket.socket]], None]  # called with connections that an ended process never received

    def __init__(self, plan: dict, environment: dict[bytes, bytes], package: str, loop: selectors.BaseSelector):
        self.plan, self.environment, self.package, self.loop = plan, environment, package, loop
        self.dependencies = Dependencies()
        self.live: Worker | None = None
        self.retired: dict[Worker, float] = {}  # with the time at which each is killed
        self.snapshots: list[Snapshot] = []
        self.hot: list[str] = []
        self.late: dict[str, None] = {}  # modules that requests imported, in order
        self.on_retired = lambda worker: None

    def go_on(self, position: int, orders: ipc.Orders) -> str:
        """Go on from the latest snapshot that had used no more than `position` records, or from nothing.

        Return the file before which it was taken; empty for a fresh interpreter. Raises OSError where none starts.
        """
        for snapshot in [snapshot for snapshot in self.snapshots if snapshot.position > position]:
            self.drop(snapshot)
        while self.snapshots:
            snapshot = self.snapshots[-1]
            worker = snapshot.resume(orders)
            if worker is not None:
                self.dependencies.truncate(snapshot.position)
                self.attach(worker)
                return snapshot.before
            self.drop(snapshot)
        self.dependencies.truncate(0)
        self.attach(spawn(self.plan, self.environment, orders, self.package))
        return ""

    def heat(self, paths: list[str]) -> None:
        """Note the files that were edited: the next edit is likely to be one of these."""
        self.hot = ([path for path in self.hot if path not in paths] + paths)[-MAX_HOT:]

    def warm_up(self, used: ipc.Warm) -> None:
        """Have the snapshot that the next edit is most likely to need prepare a copy."""
        self.late.update(dict.fromkeys(used.modules))
        likely = [snapshot for snapshot in self.snapshots if snapshot.before in self.hot[-1:]]
        for snapshot in (likely or self.snapshots)[-1:]:
            snapshot.warm(used._replace(modules=list(self.late)))
        self.save_memory()

    def attach(self, worker: Worker) -> None:
        self.live = worker
        self.loop.register(worker.sock, selectors.EVENT_READ, lambda: self.on_readable(worker))
        self.watch_end(worker)

    def watch_end(self, worker: Worker) -> None:
        """Notice the end of the process itself: its socket stays open while a program that it started holds it."""
        if worker.pidfd >= 0:
            self.loop.register(worker.pidfd, selectors.EVENT_READ, lambda: self.on_exit(worker))

    def ignore_end(self, worker: Worker) -> None:
        if worker.pidfd >= 0:
            self.loop.unregister(worker.pidfd)

    def on_readable(self, worker: Worker) -> None:
        with suppress(BlockingIOError):
            self.take_message(worker)

    def on_exit(self, worker: Worker) -> None:
        """Take what the process said before it ended; then forget it."""
        try:
            while worker.sock.fileno() >= 0:
                self.take_message(worker)
        except BlockingIOError:
            self.forget(worker)

    def take_message(self, worker: Worker) -> None:
        """Take the next message. Raises BlockingIOError where there is none."""
        if worker.sock.fileno() < 0:
            return  # It was forgotten while this event waited for its turn.
        message, fds = ipc.receive(worker.sock, socket.MSG_DONTWAIT)
        if message is None:
            self.forget(worker)
        elif worker not in self.retired:
            if isinstance(message, ipc.Forked):
                if fds:  # There are none from a snapshot's copy, or where no descriptor is left.
                    self.add(Snapshot(ipc.adopt(fds[0]), message.holder, message.position, message.before))
                self.ignore_end(worker)
                worker.follow(message.pid)
                self.watch_end(worker)
            self.on_message(message)
        elif isinstance(message, ipc.Debugging | ipc.Busy):
            self.retired[worker] = time.monotonic() + END_TIMEOUT

    def kill_stuck(self) -> None:
        """Kill the replaced processes that should have ended: code that keeps the interpreter's lock stops them.

        Forget the live one where the snapshot that it was to be a copy of has not gone on.
        """
        now = time.monotonic()
        for worker, deadline in self.retired.items():
            if now > deadline:
                kill(worker.pid)
        if self.live and not self.live.pid and now - self.live.since > START_TIMEOUT:
            self.forget(self.live)

    def release(self) -> None:
        """Let go of the connections that processes have received."""
        for worker in self.workers():
            worker.release()

    def unreceived(self) -> int:
        """Return the number of connections that processes were sent and have not received."""
        return sum(len(worker.connections) for worker in self.workers())

    def sockets(self) -> list[socket.socket]:
        """Return the sockets of replaced processes, which still work while these are open."""
        return [worker.sock for worker in self.retired]

    def workers(self) -> list[Worker]:
        return [*self.retired, *([self.live] if self.live else ())]

    def forget(self, worker: Worker) -> None:
        self.loop.unregister(worker.sock)
        self.ignore_end(worker)
        self.retired.pop(worker, None)
        worker.release()
        self.on_lost(list(worker.connections))
        if worker is self.live:
            # It may have ended in the middle of an import: what it used until then is in its journal.
            self.on_message(ipc.Recorded())
            self.live = None
            self.on_end(worker)
        worker.close()

    def retire(self, position: int = 0) -> None:
        """End the live process: at once while it loads, after the requests it has when it serves.

        position: as for `go_on`.
        """
        worker, self.live = self.live, None
        if worker is None:
            return
        if worker.is_serving:
            self.retired[worker] = time.monotonic() + END_TIMEOUT
            kept = [snapshot.position for snapshot in self.snapshots if snapshot.position <= position]
            worker.send(ipc.Retire(max(kept, default=0)))
            worker.sock.shutdown(socket.SHUT_WR)
            self.on_retired(worker)
        else:
            kill(worker.pid)
            self.forget(worker)

    def add(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        self.loop.register(snapshot.sock, selectors.EVENT_READ, lambda: self.drop(snapshot))
        if len(self.snapshots) > MAX_SNAPSHOTS:
            self.drop(least_useful(self.snapshots, self.hot))

    def save_memory(self) -> None:
        """Drop snapshots until the others stay within the bound.

        Asking the kernel takes a millisecond for each, so call this when there is nothing else to do.
        """
        sizes = {id(snapshot): snapshot.memory() for snapshot in self.snapshots}
        while sum(sizes.values()) > MAX_MEMORY and (spare := least_useful(self.snapshots, self.hot)):
            self.drop(spare)
            del sizes[id(spare)]

    def drop(self, snapshot: Snapshot) -> None:
        """End a snapshot, or forget one that ended by itself because memory ran out."""
        if snapshot in self.snapshots:
            self.snapshots.remove(snapshot)
            self.loop.unregister(snapshot.sock)
            snapshot.sock.close()

    def stop(self) -> None:
        stop_all(self.live, self.snapshots, self.retired)


def least_useful(snapshots: list[Snapshot], hot: list[str]) -> Snapshot | None:
    """Return the snapshot that saves least: the one taken soonest after another. Never the first of all."""
    gaps = [(late.before in hot, late.time - early.time, late.position, late) for early, late in pairwise(snapshots)]
    return min(gaps, key=lambda gap: gap[:3])[3] if gaps else None
