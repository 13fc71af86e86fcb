"""HTTP with one client, as far as the supervisor needs it. Nothing here waits for the client."""

import socket
import time

MAX_HEADERS = 64 * 1024  # bytes
REQUEST_TIMEOUT = 20.0  # seconds that a client gets to send its request
READ_TIMEOUT = 2.0  # seconds that it then gets to read the answer, or a part of it
EVENT_TIMEOUT = 10.0  # seconds that it gets to read an event; a browser whose connection is closed opens another


def read_now(sock: socket.socket, size: int, flags: int = 0) -> bytes | None:
    """Return what is there to read: None where nothing is so far, no bytes where the other side is gone."""
    try:
        return sock.recv(size, flags | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""


class Client:
    """A connection that the supervisor answers itself."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.data = b""
        self.unsent = b""  # what the kernel did not take so far
        self.news = b""  # the latest event, while one before it is unsent
        self.since = time.monotonic()  # when it last did what it was waited for
        self.is_answered = self.is_streaming = self.is_known = self.is_gone = False

    def read(self) -> tuple[str, str, dict[str, str]] | None:
        """Return method, path and headers (names in lower case) once, as soon as they are complete."""
        data = read_now(self.connection, MAX_HEADERS)
        self.is_gone = data == b""
        if not data or self.is_answered:
            return None  # A body that nobody reads would make the kernel reset the connection.
        self.data += data
        head, end, _ = self.data.partition(b"\r\n\r\n")
        if not end:
            self.is_gone = len(self.data) > MAX_HEADERS
            return None
        self.is_answered, self.since = True, time.monotonic()
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = [*first.split(" "), "", ""][:3]
        headers = (line.partition(":") for line in lines)
        return method, path.partition("?")[0], {name.lower(): value.strip() for name, _, value in headers}

    def is_over(self, now: float) -> bool:
        if self.is_streaming:
            return bool(self.unsent) and now - self.since > EVENT_TIMEOUT
        return now - self.since > (READ_TIMEOUT if self.is_answered else REQUEST_TIMEOUT)

    def send(self, status: str, content_type: str, body: str) -> None:
        data = body.encode(errors="replace")  # A path may hold bytes that are no text.
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: {content_type}; charset=utf-8\r\nContent-Length: {len(data)}\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        self.unsent = head.encode() + data
        self.flush()

    def stream(self, event: bytes) -> None:
        """Keep the connection for server-sent events."""
        self.is_streaming = True
        self.unsent = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"
        self.push(event)

    def push(self, event: bytes) -> None:
        """Send an event; to a client that has not read the one before, only the last of those that follow."""
        self.news = event
        if not self.unsent:
            self.since = time.monotonic()
        self.flush()

    def flush(self) -> None:
        """Send as much as the kernel takes now."""
        try:
            while self.unsent or self.news:
                if not self.unsent:
                    self.unsent, self.news = self.news, b""
                self.unsent = self.unsent[self.connection.send(self.unsent, socket.MSG_DONTWAIT) :]
                self.since = time.monotonic()
            if self.is_answered and not self.is_streaming:
                self.connection.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self.is_gone = True
