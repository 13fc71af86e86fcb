"""What the supervisor holds of each process that has the project loaded: its socket, its journal, its number."""

import json
import os
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from .. import ipc
from ..journal import Journal
from ..package import MAIN


@dataclass(eq=False)
class Worker:
    """The process that loads the project, then answers its requests."""

    sock: socket.socket
    journal: Journal  # what it has used
    pid: int = 0  # 0 until it has said so itself, where it is a copy of a snapshot
    pidfd: int = -1
    is_serving: bool = False
    is_debugged: bool = False  # someone sits in a debugger while it loads
    connections: deque[socket.socket] = field(default_factory=deque)  # sent to it, and perhaps not received yet
    received: int = 0  # number of connections before these
    since: float = field(default_factory=time.monotonic)  # when it was asked for

    def send(self, message, *fds: int) -> bool:
        """Send without waiting; return False where it is too busy to listen, or gone."""
        try:
            ipc.send(self.sock, message, *fds, flags=socket.MSG_DONTWAIT)
        except OSError:
            return False
        return True

    def hand_over(self, connection: socket.socket) -> bool:
        if not self.send(ipc.Connection(), connection.fileno()):
            return False
        self.connections.append(connection)
        return True

    def release(self) -> None:
        """Close the connections that it has received: only it answers them."""
        while self.connections and self.received < self.journal.received:
            self.connections.popleft().close()
            self.received += 1

    def follow(self, pid: int) -> None:
        """Note that another process goes on, and open its pidfd; -1 where it is gone, or Linux older than 5.3."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
        self.pid = pid
        try:
            self.pidfd = os.pidfd_open(pid)
        except OSError:
            self.pidfd = -1

    def close(self) -> None:
        self.sock.close()
        self.journal.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)


@dataclass(eq=False)
class Snapshot:
    """A paused copy of a worker."""

    sock: socket.socket
    pid: int
    position: int  # number of records it holds
    before: str  # the file it would execute next
    time: float = field(default_factory=time.monotonic)
    is_warm: bool = False  # a copy stands by, already forked

    def warm(self, used: ipc.Warm) -> None:
        if not self.is_warm:
            self.is_warm = True
            with suppress(OSError):
                ipc.send(self.sock, used, flags=socket.MSG_DONTWAIT)

    def resume(self, orders: ipc.Orders) -> Worker | None:
        """Let a copy go on; return it, or None where the snapshot is gone."""
        self.is_warm = False
        try:
            ours, theirs = ipc.pair()
            worker = Worker(ours, Journal())
        except OSError:
            return None  # There is no descriptor left.
        with theirs:
            try:
                ipc.send(self.sock, orders, theirs.fileno(), worker.journal.fd, flags=socket.MSG_DONTWAIT)
            except OSError:
                worker.close()
                return None
        return worker

    def memory(self) -> int:
        """Return the bytes that would be free without it: what it shares with other processes does not count."""
        try:
            with open(f"/proc/{self.pid}/smaps_rollup") as file:
                fields = dict(line.split(":", 1) for line in file if ":" in line)
        except OSError:
            return 0  # It has ended, or Linux is older than 4.14.
        return int(fields["Private_Dirty"].split()[0]) * 1024


def spawn(plan: dict, environment: dict[bytes, bytes], orders: ipc.Orders, package: str) -> Worker:
    """Start a fresh interpreter that loads the project.

    package: digest of this package; the worker ends at once if it was started from another version.
    """
    ours, theirs = ipc.pair()
    worker = Worker(ours, Journal())
    with theirs:
        theirs.set_inheritable(True)
        os.set_inheritable(worker.journal.fd, True)
        what = {
            "fd": theirs.fileno(),
            "journal": worker.journal.fd,
            "package_digest": package,
            **{name: plan[name] for name in ("root", "as_module", "argv")},
        }
        command = [sys.executable, *plan["flags"], MAIN, plan.get("program", "load"), json.dumps(what)]
        pid = os.posix_spawn(sys.executable, command, environment)
        os.set_inheritable(worker.journal.fd, False)
        worker.follow(pid)
    ipc.send(ours, orders)
    return worker
