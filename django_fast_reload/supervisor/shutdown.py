"""End processes and reap them, so that none is left over."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from .. import ipc
from .handles import Snapshot, Worker

GRACE = 0.25  # seconds that processes get to end by themselves
POLL = 0.005  # seconds
PR_SET_CHILD_SUBREAPER = 36


def become_reaper() -> None:
    """Make the processes whose parent ends (a dropped snapshot) this process's children, so that it can reap them."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill(pid: int) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def reap() -> bool:
    """Reap the children that ended; return whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def stop_all(live: Worker | None, snapshots: list[Snapshot], retired: Iterable[Worker]) -> None:
    """End every process: the live one may run its exit handlers, within the time of grace."""
    for snapshot in snapshots:
        snapshot.sock.close()
    for worker in retired:
        kill(worker.pid)
    if live is not None:
        deadline = time.monotonic() + GRACE
        is_waiting = live.is_serving and live.send(ipc.Stop())
        with suppress(TimeoutError):
            while is_waiting and (left := deadline - time.monotonic()) > 0:
                live.sock.settimeout(left)
                is_waiting = ipc.receive(live.sock)[0] is not None
        kill(live.pid)
    stop_children()


def descendants(pid: int) -> Iterator[int]:
    """Yield the children of a process, and theirs: those of one that was stopped are nobody else's so far."""
    with suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        for child in map(int, file.read().split()):
            yield child
            yield from descendants(child)


def stop_children() -> None:
    """End what is left: processes that were being forked, and programs that the project started."""
    signalled, deadline = set(), time.monotonic() + GRACE
    while time.monotonic() < deadline:
        if not reap():
            return
        for pid in set(descendants(os.getpid())) - signalled:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)  # One that was stopped would never hear of it.
            signalled.add(pid)
        time.sleep(POLL)
