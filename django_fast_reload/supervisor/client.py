"""HTTP with one client, as far as the supervisor needs it."""

import json
import socket
import time

MAX_HEADERS = 64 * 1024  # bytes
REQUEST_TIMEOUT = 20.0  # seconds that a client gets to send its request
READ_TIMEOUT = 2.0  # seconds that it then gets to read the answer
WRITE_TIMEOUT = 0.5  # seconds that one write may block


class Client:
    """A connection that the supervisor answers itself."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.data = b""
        self.since = time.monotonic()
        self.answered = 0.0
        self.is_streaming = self.is_gone = False

    def read(self) -> tuple[str, str, dict[str, str]] | None:
        """Return method, path and headers (names in lower case) once, as soon as they are complete."""
        try:
            data = self.connection.recv(MAX_HEADERS, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        self.is_gone = not data
        if self.is_gone or self.answered:
            return None  # A body that nobody reads would make the kernel reset the connection.
        self.data += data
        head, end, _ = self.data.partition(b"\r\n\r\n")
        if not end:
            self.is_gone = len(self.data) > MAX_HEADERS
            return None
        self.answered = time.monotonic()
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = [*first.split(" "), "", ""][:3]
        headers = (line.partition(":") for line in lines)
        return method, path.partition("?")[0], {name.lower(): value.strip() for name, _, value in headers}

    def is_over(self, now: float) -> bool:
        since, timeout = (self.answered, READ_TIMEOUT) if self.answered else (self.since, REQUEST_TIMEOUT)
        return not self.is_streaming and now - since > timeout

    def send(self, status: str, content_type: str, body: str) -> None:
        data = body.encode(errors="replace")  # A path may hold bytes that are no text.
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: {content_type}; charset=utf-8\r\nContent-Length: {len(data)}\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        self.write(head.encode() + data)
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self.is_gone = True

    def stream(self, state: dict) -> None:
        """Keep the connection for server-sent events."""
        self.is_streaming = True
        self.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n")
        self.push(state)

    def push(self, state: dict) -> None:
        self.write(f"retry: 300\ndata: {json.dumps(state)}\n\n".encode())

    def write(self, data: bytes) -> None:
        self.connection.settimeout(WRITE_TIMEOUT)
        try:
            self.connection.sendall(data)
        except OSError:
            self.is_gone = True
