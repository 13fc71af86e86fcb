"""Connections wait here until the live process is made of the files as they are."""

import errno
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable

from ..ipc import Connection
from .endpoints import Endpoints, is_reserved
from .handles import Worker

BACKLOG = 128  # connections
BIND_ERRORS = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}


def listen(address: str, port: int, ipv6: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


class Barrier:
    """Accepts connections and hands them over.

    endpoints: answers what is not for the project, and errors.
    current: called for each connection, with the time of the last request; returns the live process if it is made of
        the files as they were then.
    is_broken: tells whether it is known that the project does not load.
    """

    def __init__(
        self,
        listener: socket.socket,
        loop: selectors.BaseSelector,
        endpoints: Endpoints,
        current: Callable[[float], Worker | None],
        is_broken: Callable[[], bool],
    ):
        self.listener, self.loop, self.endpoints = listener, loop, endpoints
        self.current, self.is_broken = current, is_broken
        self.silent: set[socket.socket] = set()  # connections without a request so far
        self.waiting: deque[socket.socket] = deque()
        self.arrived = 0.0
        loop.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self) -> None:
        # All that are there: where the files are compared for each request, once is enough for these.
        for _ in range(BACKLOG):
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # No more, the client has gone, or there is no descriptor left: the next round tries again.
            self.expect_request(connection)

    def expect_request(self, connection: socket.socket) -> None:
        """Go on only when the request itself is here: browsers open connections long before."""
        try:
            start = connection.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self.silent.add(connection)
            self.loop.register(connection, selectors.EVENT_READ, lambda: self.on_readable(connection))
            return
        except OSError:
            start = b""
        if not start:
            connection.close()
        elif is_reserved(start):
            self.endpoints.serve(connection)
        else:
            self.waiting.append(connection)  # The loop lets it in, when it has taken in the files' events.
            self.arrived = time.monotonic()

    def on_readable(self, connection: socket.socket) -> None:
        self.loop.unregister(connection)
        self.silent.discard(connection)
        self.expect_request(connection)

    def let_in(self) -> None:
        """Hand the waiting connections to the live process, or answer them with the error."""
        while self.waiting:
            live = self.current(self.arrived)
            if live is not None:
                if not live.send(Connection(), self.waiting[0].fileno()):
                    return
                self.waiting.popleft().close()
            elif self.is_broken():
                self.endpoints.serve(self.waiting.popleft())
            else:
                return
