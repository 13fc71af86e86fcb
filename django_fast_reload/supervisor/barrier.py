"""Connections wait here until the live process is made of the files as they are."""

import errno
import os
import resource
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

from .client import read_now
from .endpoints import Endpoints, is_reserved

BACKLOG = 128  # connections
BIND_ERRORS = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}
RESERVED = 24  # descriptors that connections leave for processes, snapshots and files


def listen(address: str, port: int, ipv6: bool) -> socket.socket | None:
    """Return a socket that listens there; where that can't be, say why and return None."""
    try:
        listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        print(f"Error: {BIND_ERRORS.get(error.errno, error)}", file=sys.stderr)
        return None
    listener.setblocking(False)
    return listener


class Barrier:
    """Accepts connections and hands them over.

    endpoints: answers what is not for the project.
    taker: called for each connection, with the time of the last request; returns the function that takes it, or None
        where it has to wait. That returns False where it can't take it now.
    unreceived: tells the number of connections that processes were sent and have not received.
    confirm: tells the live process, which asked, that it may still answer; returns False where it can't hear it now.
    """

    def __init__(
        self,
        listener,
        loop,
        endpoints: Endpoints,
        taker: Callable,
        unreceived: Callable[[], int],
        confirm: Callable[[], bool] = lambda: True,
    ):
        self.listener, self.loop, self.endpoints = listener, loop, endpoints
        self.taker, self.unreceived, self.confirm = taker, unreceived, confirm
        self.silent: dict[socket.socket, None] = {}  # connections without a request so far, in order
        self.waiting: deque[socket.socket] = deque()
        self.arrived = 0.0
        self.is_asked = False  # the live process waits to hear whether it may still answer
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED
        self.highest = 0  # descriptor of a connection so far
        self.is_paused = False  # accepts no connections: there are too few descriptors
        loop.register(listener, selectors.EVENT_READ, self.accept)

    def move(self, address: str, port: int, ipv6: bool) -> bool:
        """Accept connections somewhere else from here on; say why and return False where that can't be."""
        listener = listen(address, port, ipv6)
        if listener is None:
            return False
        self.loop.unregister(self.listener)
        self.listener.close()
        self.listener = listener
        self.loop.register(listener, selectors.EVENT_READ, self.accept)
        return True

    def accept(self) -> None:
        # All that are there: where the files are compared for each request, once is enough for these.
        for _ in range(BACKLOG if self.highest < self.limit else 1):
            is_full = self.highest >= self.limit and self.is_full()
            if is_full and not self.make_room() and (self.waiting or self.unreceived()):
                self.pause()
                return
            try:
                connection, _ = self.listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self.pause()
                return  # No more, or the client has gone.
            self.highest = max(self.highest, connection.fileno())
            self.expect_request(connection)

    def pause(self) -> None:
        """Leave clients in the kernel's queue until there are descriptors again."""
        self.is_paused = True
        self.loop.unregister(self.listener)

    def is_full(self) -> bool:
        """Tell whether few descriptors are left: a new one gets the lowest number that is free."""
        try:
            lowest = os.dup(self.listener.fileno())
        except OSError:
            return True
        os.close(lowest)
        return lowest >= self.limit

    def make_room(self) -> bool:
        """Close a connection that nobody waits for; return whether there was one."""
        for connection in self.silent:
            self.forget_silent(connection)
            connection.close()
            return True
        return self.endpoints.close_oldest_stream()

    def go_on(self) -> None:
        if self.is_paused and not (self.is_full() and (self.waiting or self.unreceived())):
            self.is_paused = False
            self.loop.register(self.listener, selectors.EVENT_READ, self.accept)

    def expect_request(self, connection: socket.socket) -> None:
        """Go on only when the request itself is here: browsers open connections long before."""
        start = read_now(connection, 64, socket.MSG_PEEK)
        if start is None:
            self.silent[connection] = None
            self.loop.register(connection, selectors.EVENT_READ, lambda: self.on_readable(connection))
        elif not start:
            connection.close()
        elif is_reserved(start):
            self.endpoints.serve(connection)
        else:
            self.waiting.append(connection)  # The loop lets it in, when it has taken in the files' events.
            self.arrived = time.monotonic()

    def forget_silent(self, connection: socket.socket) -> None:
        self.loop.unregister(connection)
        del self.silent[connection]

    def on_readable(self, connection: socket.socket) -> None:
        if connection in self.silent:  # Else it was closed while this event waited for its turn.
            self.forget_silent(connection)
            self.expect_request(connection)

    def all(self) -> list[socket.socket]:
        """Return the connections that nobody has been sent."""
        return [*self.silent, *self.waiting]

    def take_back(self, connections: list[socket.socket]) -> None:
        """Let connections wait again that a process did not receive before it ended."""
        self.waiting.extendleft(reversed(connections))

    def on_ask(self, _) -> None:
        """Something came over a connection that the live process holds: it waits here like a new request."""
        self.is_asked, self.arrived = True, time.monotonic()

    def let_in(self) -> None:
        """Hand the waiting connections to the live process, or answer them with the error."""
        self.go_on()
        if self.is_asked and self.taker(self.arrived):
            self.is_asked = not self.confirm()
        while self.waiting and (take := self.taker(self.arrived)):
            connection = self.waiting.popleft()
            if not take(connection):
                self.waiting.appendleft(connection)
                return
