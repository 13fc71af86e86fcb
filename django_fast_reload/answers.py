"""What the supervisor answers itself: the error page, and its own addresses below /__devserver__/."""

import html
import json
import os
import socket
import time
from string import Template
from urllib.parse import quote

PREFIX = b"/__devserver__/"
LONGEST = 64 * 1024  # bytes of request headers
LINGER = 2.0  # seconds that a client gets to read its answer
EDITOR = "vscode://file{path}:{line}"


def read(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), "browser", name), encoding="utf-8") as file:
        return file.read()


PAGE = Template(read("error.html"))
CLIENT = read("client.js")


class Visitor:
    """A client that the supervisor answers itself."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.data = b""
        self.answered = 0.0
        self.since = time.monotonic()
        self.streaming = False
        self.gone = False

    def read(self) -> tuple[str, str, dict[str, str]] | None:
        """Return method, path and headers (names in lower case) once, as soon as they are complete."""
        try:
            data = self.connection.recv(LONGEST, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        self.gone = not data
        if self.gone or self.answered:
            return None  # A body that nobody reads would make the kernel reset the connection.
        self.data += data
        head, end, _ = self.data.partition(b"\r\n\r\n")
        if not end:
            self.gone = len(self.data) > LONGEST
            return None
        self.answered = time.monotonic()
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = [*first.split(" "), "", ""][:3]
        headers = (line.partition(":") for line in lines)
        return method, path.partition("?")[0], {name.lower(): value.strip() for name, _, value in headers}

    def is_over(self, now: float) -> bool:
        return not self.streaming and now - (self.answered or self.since) > LINGER * (1 if self.answered else 10)

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
            self.gone = True

    def stream(self, state: dict) -> None:
        """Keep the connection for server-sent events."""
        self.streaming = True
        self.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n")
        self.push(state)

    def push(self, state: dict) -> None:
        self.write(f"retry: 300\ndata: {json.dumps(state)}\n\n".encode())

    def write(self, data: bytes) -> None:
        self.connection.settimeout(0.5)
        try:
            self.connection.sendall(data)
        except OSError:
            self.gone = True


def is_reserved(start: bytes) -> bool:
    """Tell whether a request, of which at least the first bytes are here, is for the supervisor itself."""
    return start.partition(b" ")[2].startswith(PREFIX)


def error_page(failure: dict, headers: dict[str, str], editor: str, version: str) -> tuple[str, str]:
    """Return content type and body: a page for a browser, the traceback as text for anything else."""
    if "text/html" not in headers.get("accept", ""):
        return "text/plain", f"{failure['title']}\n\n{failure['text']}"
    frames = "".join(frame_html(frame, editor) for frame in failure["frames"])
    page = PAGE.substitute(
        title=html.escape(failure["title"]),
        frames=frames,
        text=html.escape(failure["text"]),
        open="" if frames else " open",
        version=version,
    )
    return "text/html", page


def frame_html(frame: dict, editor: str) -> str:
    lines = "".join(
        f"<span{' class=here' * (number == frame['line'])}><i>{number}</i>{html.escape(text)}</span>"
        for number, text in frame["source"]
    )
    link = html.escape(editor.format(path=quote(frame["path"]), where=quote(frame["where"]), line=frame["line"]))
    name = f" in {html.escape(frame['name'])}" if frame["name"] not in ("", "<module>") else ""
    return f'<h2><a href="{link}">{html.escape(frame["where"])}:{frame["line"]}</a>{name}</h2><pre>{lines}</pre>'
