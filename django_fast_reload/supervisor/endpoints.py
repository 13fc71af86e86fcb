"""What the supervisor answers itself: its own addresses below /__devserver__/, and the error page for all others."""

import json
import os
import selectors
import socket
import time
from collections import deque

from ..ipc import EDITOR, plain_failure
from ..package import VERSION
from ..page.error_page import CLIENT, error_page
from .client import Client
from .files import Files
from .hosts import is_known
from .loader import Loader
from .terminal import Terminal

MAX_HISTORY = 50
UNKNOWN = "The code does not load. Open this page at localhost, or at a name in ALLOWED_HOSTS, to see why."
PREFIX = b"/__devserver__/"
REFUSED = "The development server shows errors only at localhost and at the names in ALLOWED_HOSTS.\n"


def is_reserved(start: bytes) -> bool:
    """Tell whether a request, of which at least the first bytes are here, is for the supervisor itself."""
    return start.partition(b" ")[2].startswith(PREFIX)


class Endpoints:
    """Tells pages and clients of the load under way or the last one, and what came before."""

    def __init__(self, loop: selectors.BaseSelector, loader: Loader, files: Files, terminal: Terminal):
        self.loop, self.loader, self.files, self.name = loop, loader, files, terminal.name
        self.editor = EDITOR
        self.tests: dict | None = None  # how the tests are, see Outcomes.verdict; None where nobody runs them
        self.outcomes: dict[str, str] = {}  # of each test
        self.allowed_hosts: list[str] = []  # as the project's settings name them
        # [time, path] of templates and static files; the clock that nobody sets, which all processes share
        self.touched: deque[list] = deque(maxlen=MAX_HISTORY)
        self.history: deque[dict] = deque(maxlen=MAX_HISTORY)
        self.clients: dict[Client, None] = {}  # in the order in which they came

    def serve(self, connection: socket.socket) -> bool:
        """Answer a connection; return True, as whatever takes one."""
        client = Client(connection)
        self.clients[client] = None
        self.loop.register(connection, selectors.EVENT_READ, lambda: self.on_ready(client))
        self.on_ready(client)
        return True

    def on_ready(self, client: Client) -> None:
        if client.unsent:
            client.flush()
        request = client.read()
        if request is not None:
            self.answer(client, *request)
        self.wait_for(client)

    def wait_for(self, client: Client) -> None:
        """Go on when the client writes, or reads what is unsent; close the connection where it has gone."""
        if client.is_gone:
            self.close(client)
        elif client in self.clients:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
            self.loop.modify(client.connection, events, lambda: self.on_ready(client))

    def answer(self, client: Client, method: str, path: str, headers: dict[str, str]) -> None:
        client.is_known = is_known(headers.get("host", ""), self.allowed_hosts)
        is_own = is_reserved(f"{method} {path}".encode())
        if is_own and path.endswith("/events"):
            client.stream(event(self.state(client.is_known)))
        elif is_own and path.endswith("/client.js"):
            client.send("200 OK", "text/javascript", CLIENT)
        elif not client.is_known:
            client.send("403 Forbidden" if is_own else "500 Internal Server Error", "text/plain", REFUSED)
        elif not is_own:
            page = error_page(self.loader.load.failure, headers, self.editor, self.loader.version)
            client.send("500 Internal Server Error", *page)
        elif path.endswith("/status"):
            client.send("200 OK", "application/json", json.dumps(self.report()))
        else:
            client.send("404 Not Found", "text/plain", "There is nothing at this address.\n")

    def touch(self, paths: list[str]) -> None:
        """Tell pages of changed files that are no part of the process."""
        self.touched += [[time.monotonic(), os.path.realpath(path)] for path in paths]  # as pages name them
        self.broadcast()

    def remember(self) -> None:
        """Keep the load that has ended for the history."""
        load = self.loader.load
        self.history.append(
            {
                "generation": load.number,
                "time": time.time(),
                "files": [self.name(path) for path in load.changed],
                "ms": round(load.milliseconds, 1),
                "before": self.name(load.before),
                "error": load.failure["title"] if load.failure else "",
            }
        )

    def state(self, is_known: bool = True) -> dict:
        """Return what an open page gets with each event; without any source where its host is not known."""
        load = self.loader.load
        return {
            "version": self.loader.version,
            "state": "broken" if load.failure else "serving" if self.loader.is_serving else "loading",
            "failure": load.failure if is_known else load.failure and plain_failure(UNKNOWN),
            "notice": load.notice if is_known else None,
            "touched": list(self.touched),
            "editor": self.editor,
            "tests": self.tests if is_known else None,
        }

    def report(self) -> dict:
        """Return the answer of /__devserver__/status."""
        return {
            **self.state(),
            "generation": self.loader.load.number,
            "snapshots": [self.name(snapshot.before) for snapshot in self.loader.lineage.snapshots],
            "folders": len(self.files.watcher.watches),
            "history": list(self.history),
            "outcomes": self.outcomes,
            "package": VERSION,
        }

    def broadcast(self) -> None:
        """Send the state to the open pages."""
        events = {is_known: event(self.state(is_known)) for is_known in (True, False)}
        for client in list(self.clients):
            if client.is_streaming:
                client.push(events[client.is_known])
                self.wait_for(client)

    def show_tests(self, tests: dict | None) -> None:
        self.tests = tests
        self.broadcast()

    def notify(self, title: str, text: str) -> None:
        """Show a message in the open pages until the next load."""
        self.loader.load.notice = {"title": title, "text": text}
        self.broadcast()

    def unread(self) -> list[socket.socket]:
        """Return the connections of clients that still read an answer."""
        return [client.connection for client in self.clients if not client.is_streaming]

    def close_oldest_stream(self) -> bool:
        """Close the connection of the page that has listened longest; return whether there was one."""
        for client in self.clients:
            if client.is_streaming:
                self.close(client)
                return True
        return False

    def close(self, client: Client) -> None:
        if client in self.clients:
            del self.clients[client]
            self.loop.unregister(client.connection)
            client.connection.close()

    def close_idle(self) -> None:
        now = time.monotonic()
        for client in [client for client in self.clients if client.is_over(now)]:
            self.close(client)


def event(state: dict) -> bytes:
    """Return a server-sent event."""
    return f"retry: 300\ndata: {json.dumps(state)}\n\n".encode()
