"""What the supervisor answers itself: its own addresses below /__devserver__/, and the error page for all others."""

import json
import selectors
import socket
import time
from collections.abc import Callable

from ..page.error_page import CLIENT, error_page
from .client import Client
from .status import Status

PREFIX = b"/__devserver__/"


def is_reserved(start: bytes) -> bool:
    """Tell whether a request, of which at least the first bytes are here, is for the supervisor itself."""
    return start.partition(b" ")[2].startswith(PREFIX)


class Endpoints:
    """on_retry: called when a page asks to start from nothing."""

    def __init__(self, loop: selectors.BaseSelector, status: Status, on_retry: Callable[[], None]):
        self.loop, self.status, self.on_retry = loop, status, on_retry
        self.clients: set[Client] = set()

    def serve(self, connection: socket.socket) -> None:
        client = Client(connection)
        self.clients.add(client)
        self.loop.register(connection, selectors.EVENT_READ, lambda: self.on_readable(client))
        self.on_readable(client)

    def on_readable(self, client: Client) -> None:
        request = client.read()
        if request is not None:
            self.answer(client, *request)
        if client.is_gone:
            self.close(client)

    def answer(self, client: Client, method: str, path: str, headers: dict[str, str]) -> None:
        status = self.status
        if not is_reserved(f"{method} {path}".encode()):
            page = error_page(status.loader.load.failure, headers, status.editor, status.loader.version)
            client.send("500 Internal Server Error", *page)
        elif path.endswith("/events"):
            client.stream(status.state())
        elif path.endswith("/client.js"):
            client.send("200 OK", "text/javascript", CLIENT)
        elif path.endswith("/status"):
            client.send("200 OK", "application/json", json.dumps(status.report()))
        elif path.endswith("/retry") and method == "POST" and headers.get("sec-fetch-site") != "cross-site":
            self.on_retry()
            client.send("202 Accepted", "text/plain", "Starting from nothing.\n")
        else:
            client.send("404 Not Found", "text/plain", "There is nothing at this address.\n")

    def broadcast(self) -> None:
        """Send the status to the open pages."""
        for client in list(self.clients):
            if client.is_streaming:
                client.push(self.status.state())
            if client.is_gone:
                self.close(client)

    def close(self, client: Client) -> None:
        if client in self.clients:
            self.clients.discard(client)
            self.loop.unregister(client.connection)
            client.connection.close()

    def close_idle(self) -> None:
        now = time.monotonic()
        for client in [client for client in self.clients if client.is_over(now)]:
            self.close(client)
