"""How a watch tells the server of the same project how the tests are.

They find each other by the project's folder. The sockets are abstract: no file is left over, and the end of a watch
closes its connection, with which its verdict goes.
"""

import os
import selectors
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from .. import ipc

PLACES = 4  # servers of one project that can be told: one for pages, one for tasks
MAX_FAILURES = 20  # that are told
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
NOW = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


def place(root: str, number: int) -> str:
    status = os.stat(root)
    return f"\0django_fast_reload-{os.getuid()}-{status.st_dev:x}-{status.st_ino:x}-{number}"


class Verdicts:
    """The server's side. on_change: called with the verdict to show, or None: a red one before a green one."""

    def __init__(self, loop: selectors.BaseSelector, root: str, on_change: Callable[[dict | None], None]):
        self.loop, self.on_change = loop, on_change
        self.found: dict[socket.socket, dict] = {}
        self.listener = socket.socket(socket.AF_UNIX, NOW)
        for number in range(PLACES):
            with suppress(OSError):
                self.listener.bind(place(root, number))
                self.listener.listen()
                loop.register(self.listener, selectors.EVENT_READ, self.accept)
                return

    def accept(self) -> None:
        with suppress(OSError):
            watch, _ = self.listener.accept()
            sent = watch.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
            if CREDENTIALS.unpack(sent)[1] == os.getuid():
                self.loop.register(watch, selectors.EVENT_READ, lambda: self.on_readable(watch))
            else:
                watch.close()

    def on_readable(self, watch: socket.socket) -> None:
        try:
            message, _ = ipc.receive(watch, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if message is None:
            self.loop.unregister(watch)
            self.found.pop(watch, None)
            watch.close()
        else:
            self.found[watch] = message.tests
        red = [tests for tests in self.found.values() if tests["state"] == "red"]
        self.on_change([*self.found.values(), *red][-1] if self.found else None)


class Announcer:
    """The side of a watch."""

    def __init__(self, root: str):
        self.root = root
        self.servers: dict[int, socket.socket] = {}
        self.last: dict | None = None

    def announce(self, tests: dict) -> None:
        failures = [{**failure, "text": ""} for failure in tests["failures"][:MAX_FAILURES]]
        self.last = {**tests, "failures": failures, "failed": len(tests["failures"])}
        self.tell(self.servers.values())
        self.connect()

    def connect(self) -> None:
        """Tell servers that have started since the last verdict."""
        for number, server in list(self.servers.items()):
            with suppress(BlockingIOError):
                if ipc.receive(server, socket.MSG_DONTWAIT)[0] is None:
                    self.servers.pop(number).close()
        for number in range(PLACES if self.last else 0):
            if number in self.servers:
                continue
            server = socket.socket(socket.AF_UNIX, NOW)
            try:
                server.connect(place(self.root, number))
                self.servers[number] = server
                self.tell([server])
            except OSError:
                server.close()

    def tell(self, servers) -> None:
        for server in servers:
            with suppress(OSError):
                ipc.send(server, ipc.Verdict(self.last), flags=socket.MSG_DONTWAIT)
