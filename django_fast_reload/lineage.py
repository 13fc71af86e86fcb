"""The processes that hold the project: one that loads or serves, those it replaced, and the snapshots before it."""

import selectors
import socket
from collections.abc import Callable

from . import channel
from .processes import MEMORY, SNAPSHOTS, Live, Snapshot, kill, least_useful, spawn, stop_all
from .trace import Trace

HOT = 8  # files that were edited last and get a snapshot of their own


class Lineage:
    """One line of processes: each snapshot holds a part of what the live process has used, cut at its position.

    hear: called with each message of the live process.
    ended: called with the live process when it has ended by itself.
    """

    def __init__(self, plan: dict, environment: dict[bytes, bytes], loop, hear: Callable, ended: Callable):
        self.plan, self.environment, self.loop = plan, environment, loop
        self.hear, self.ended = hear, ended
        self.trace = Trace()
        self.live: Live | None = None
        self.retired: set[Live] = set()
        self.snapshots: list[Snapshot] = []
        self.hot: list[str] = []
        self.late: dict[str, None] = {}  # modules that requests imported, in order

    def start(self, orders: dict) -> None:
        """Start from nothing, in a fresh interpreter."""
        for snapshot in list(self.snapshots):
            self.drop(snapshot)
        self.trace.truncate(0)
        self.attend(spawn(self.plan, self.environment, {**orders, "hot": self.hot}))

    def resume(self, position: int, orders: dict) -> str | None:
        """Go on from the latest snapshot that had used no more than `position` records.

        Return the file before which it was taken, or None where there is none.
        """
        for snapshot in [snapshot for snapshot in self.snapshots if snapshot.position > position]:
            self.drop(snapshot)
        while self.snapshots:
            snapshot = self.snapshots[-1]
            live = snapshot.resume({**orders, "hot": self.hot})
            if live is not None:
                self.trace.truncate(snapshot.position)
                self.attend(live)
                return snapshot.before
            self.drop(snapshot)
        return None

    def heat(self, paths: list[str]) -> None:
        """Note the files that were edited: the next edit is likely to be one of these."""
        self.hot = ([path for path in self.hot if path not in paths] + paths)[-HOT:]

    def warm_up(self, used: dict) -> None:
        """Have a copy of the snapshot that the next edit is most likely to need stand by.

        used: the modules that requests imported, and the pages of memory that the live process has written to.
        """
        self.late.update(dict.fromkeys(used["modules"]))
        likely = [snapshot for snapshot in self.snapshots if snapshot.before in self.hot[-1:]]
        for snapshot in (likely or self.snapshots)[-1:]:
            snapshot.warm(list(self.late), used["pages"])
        self.save_memory()

    def attend(self, live: Live) -> None:
        self.live = live
        self.loop.register(live.sock, selectors.EVENT_READ, lambda: self.listen_to(live))

    def listen_to(self, live: Live) -> None:
        message, fds = channel.receive(live.sock)
        if message is None:
            self.forget(live)
        elif live in self.retired:
            return
        else:
            live.pid = message.get("pid", live.pid)
            if "snapshot" in message:
                what = [message[name] for name in ("holder", "snapshot", "before")]
                self.add(Snapshot(socket.socket(fileno=fds[0]), *what))
            self.hear(message)

    def forget(self, live: Live) -> None:
        self.loop.unregister(live.sock)
        self.retired.discard(live)
        if live is self.live:
            self.hear({})  # It may have ended in the middle of an import: what it used until then is in its journal.
            self.live = None
            self.ended(live)
        live.close()

    def let_go(self) -> None:
        """End the live process: at once while it loads, after the requests it has when it serves."""
        live, self.live = self.live, None
        if live is None:
            return
        if live.serving:
            self.retired.add(live)
            live.sock.shutdown(socket.SHUT_WR)
        else:
            kill(live.pid)
            self.forget(live)

    def add(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        self.loop.register(snapshot.sock, selectors.EVENT_READ, lambda: self.drop(snapshot))
        if len(self.snapshots) > SNAPSHOTS:
            self.drop(least_useful(self.snapshots, self.hot))

    def save_memory(self) -> None:
        """Drop snapshots until the others stay within the bound.

        To ask the kernel takes a millisecond for each, so this is for when nothing else is to be done.
        """
        sizes = {id(snapshot): snapshot.memory() for snapshot in self.snapshots}
        while sum(sizes.values()) > MEMORY and (spare := least_useful(self.snapshots, self.hot)):
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
