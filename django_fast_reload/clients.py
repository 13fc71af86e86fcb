"""The supervisor's clients: connections that wait at the barrier, and those that it answers itself."""

import errno
import json
import selectors
import socket
import time
from collections import deque

from .answers import CLIENT, Visitor, error_page, is_reserved

BIND_ERRORS = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}


def listen(address: str, port: int, ipv6: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(128)
    listener.setblocking(False)
    return listener


class Clients:
    """Accepts connections and lets them through the barrier.

    supervisor: says whether the live process is up to date, and what to answer otherwise.
    """

    def __init__(self, supervisor, listener: socket.socket, loop: selectors.BaseSelector):
        self.supervisor, self.listener, self.loop = supervisor, listener, loop
        self.waiting: deque[socket.socket] = deque()
        self.visitors: set[Visitor] = set()
        loop.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return  # The client has gone, or there is no descriptor left: the next round tries again.
        self.expect_request(connection)

    def expect_request(self, connection: socket.socket) -> None:
        """Go on only when the request itself is here: browsers open connections long before."""
        try:
            start = connection.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self.loop.register(connection, selectors.EVENT_READ, lambda: self.is_here(connection))
            return
        except OSError:
            start = b""
        if not start:
            connection.close()
        elif is_reserved(start):
            self.greet(connection)
        else:
            self.waiting.append(connection)
            self.let_in()

    def is_here(self, connection: socket.socket) -> None:
        self.loop.unregister(connection)
        self.expect_request(connection)

    def let_in(self) -> None:
        """Hand the waiting connections to the live process, or answer them with the error."""
        while self.waiting:
            if self.supervisor.is_current():
                if not self.supervisor.live.hand_over(self.waiting[0]):
                    return
                self.waiting.popleft().close()
            elif self.supervisor.is_known_broken():
                self.greet(self.waiting.popleft())
            else:
                return

    def greet(self, connection: socket.socket) -> None:
        visitor = Visitor(connection)
        self.visitors.add(visitor)
        self.loop.register(connection, selectors.EVENT_READ, lambda: self.listen_to(visitor))
        self.listen_to(visitor)

    def listen_to(self, visitor: Visitor) -> None:
        request = visitor.read()
        if request is not None:
            self.answer(visitor, *request)
        if visitor.gone:
            self.dismiss(visitor)

    def answer(self, visitor: Visitor, method: str, path: str, headers: dict[str, str]) -> None:
        supervisor = self.supervisor
        if not is_reserved(f"{method} {path}".encode()):
            page = error_page(supervisor.failure, headers, supervisor.settings["editor"], supervisor.version())
            visitor.send("500 Internal Server Error", *page)
        elif path.endswith("/events"):
            visitor.stream(supervisor.state())
        elif path.endswith("/client.js"):
            visitor.send("200 OK", "text/javascript", CLIENT)
        elif path.endswith("/status"):
            visitor.send("200 OK", "application/json", json.dumps(supervisor.report()))
        elif path.endswith("/retry") and method == "POST" and headers.get("sec-fetch-site") != "cross-site":
            supervisor.start()
            visitor.send("202 Accepted", "text/plain", "Starting from nothing.\n")
        else:
            visitor.send("404 Not Found", "text/plain", "There is nothing at this address.\n")

    def tell(self, message: dict) -> None:
        """Send an event to the open pages."""
        for visitor in list(self.visitors):
            if visitor.streaming:
                visitor.push(message)
            if visitor.gone:
                self.dismiss(visitor)

    def dismiss(self, visitor: Visitor) -> None:
        if visitor in self.visitors:
            self.visitors.discard(visitor)
            self.loop.unregister(visitor.connection)
            visitor.connection.close()

    def dismiss_lingering(self) -> None:
        now = time.monotonic()
        for visitor in [visitor for visitor in self.visitors if visitor.is_over(now)]:
            self.dismiss(visitor)
