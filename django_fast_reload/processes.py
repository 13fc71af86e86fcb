"""The supervisor's side of the processes that hold the project."""

import ctypes
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from . import channel
from .entry import ENGINE

RETRY = 0.005  # seconds
SNAPSHOTS = 16
MEMORY = 512 << 20  # bytes that all snapshots may hold of their own
GRACE = 0.25  # seconds that processes get to end by themselves


@dataclass(eq=False)
class Live:
    """The process that loads the project, then answers its requests."""

    sock: socket.socket
    journal: channel.Journal  # what it has used
    pid: int = 0
    serving: bool = False
    debugging: bool = False  # someone sits in a debugger while it loads

    def tell(self, message: dict, *fds: int) -> bool:
        """Send without waiting; return False where it is too busy to listen, or gone."""
        try:
            channel.send(self.sock, message, *fds, flags=socket.MSG_DONTWAIT)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self.sock.close()
        self.journal.close()

    def hand_over(self, connection: socket.socket) -> bool:
        return self.tell({}, connection.fileno())


@dataclass(eq=False)
class Snapshot:
    sock: socket.socket
    pid: int
    position: int  # number of records it holds
    before: str  # the file it would execute next
    time: float = field(default_factory=time.monotonic)
    is_warm: bool = False  # a copy stands by, already forked

    def warm(self, modules: list[str], pages: list) -> None:
        if not self.is_warm:
            self.is_warm = True
            with suppress(OSError):
                channel.send(self.sock, {"warm": modules, "pages": pages}, flags=socket.MSG_DONTWAIT)

    def resume(self, orders: dict) -> Live | None:
        self.is_warm = False
        ours, theirs = channel.pair()
        live = Live(ours, channel.Journal())
        with theirs:
            try:
                channel.send(self.sock, orders, theirs.fileno(), live.journal.fd, flags=socket.MSG_DONTWAIT)
            except OSError:
                live.close()
                return None
        return live

    def memory(self) -> int:
        """Return the bytes that would be free without it: what it shares with other processes does not count."""
        try:
            with open(f"/proc/{self.pid}/smaps_rollup") as file:
                fields = dict(line.split(":", 1) for line in file if ":" in line)
        except OSError:
            return 0  # It has ended, or Linux is older than 4.14.
        return int(fields["Private_Dirty"].split()[0]) * 1024


def least_useful(snapshots: list[Snapshot], hot: list[str]) -> Snapshot | None:
    """Return the snapshot that saves least: the one taken soonest after another. Never the first of all."""
    gaps = [(late.before in hot, late.time - early.time, late.position, late) for early, late in pairwise(snapshots)]
    return min(gaps, key=lambda gap: gap[:3])[3] if gaps else None


def spawn(plan: dict, environment: dict[bytes, bytes], orders: dict) -> Live:
    """Start a fresh interpreter that loads the project."""
    ours, theirs = channel.pair()
    live = Live(ours, channel.Journal())
    with theirs:
        theirs.set_inheritable(True)
        os.set_inheritable(live.journal.fd, True)
        what = json.dumps([theirs.fileno(), live.journal.fd, plan["root"], plan["as_module"], plan["argv"]])
        command = [sys.executable, *plan["flags"], ENGINE, "load", what]
        live.pid = os.posix_spawn(sys.executable, command, {**environment, b"RUN_MAIN": b"true"})
        os.set_inheritable(live.journal.fd, False)
    channel.send(ours, orders)
    return live


def kill(pid: int) -> None:
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def become_reaper() -> None:
    """Make the processes whose parent ends (a dropped snapshot) this process's children, so that it can reap them."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def stop_all(live: Live | None, snapshots: list[Snapshot], retired: set[Live]) -> None:
    """End every process: the live one may run its exit handlers, within the time of grace."""
    for snapshot in snapshots:
        snapshot.sock.close()
    for process in retired:
        kill(process.pid)
    if live is not None:
        deadline = time.monotonic() + GRACE
        is_told = live.serving and live.tell({"stop": True})
        while is_told and (left := deadline - time.monotonic()) > 0:
            live.sock.settimeout(left)
            try:
                is_told = channel.receive(live.sock)[0] is not None
            except TimeoutError:
                break
        kill(live.pid)
    stop_children()


def reap() -> bool:
    """Take note of the children that ended; return whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def stop_children() -> None:
    """End what is left: processes that were being forked, and programs that the project started."""
    told, deadline = set(), time.monotonic() + GRACE
    while time.monotonic() < deadline:
        if not reap():
            return
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            for pid in set(map(int, file.read().split())) - told:
                os.kill(pid, signal.SIGTERM)
                told.add(pid)
        time.sleep(0.005)
