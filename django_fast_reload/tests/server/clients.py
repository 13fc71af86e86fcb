"""Clients of websockets and of server-sent events that see how a connection ends. The benchmark uses them as well."""

import base64
import os
import socket
import struct


class WebSocket:
    """A client that knows no more than it needs. Raises ConnectionError where the handshake is refused.

    headers: lines to send besides, each with its end.
    """

    def __init__(self, port: int, path: str, timeout: float, headers: str = ""):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nOrigin: http://localhost\r\n{headers}\r\n".encode()
        )
        self.file = self.sock.makefile("rb")
        head = b"".join(iter(self.file.readline, b"\r\n")) if (first := self.file.peek(1)) else b""
        if not first or b" 101 " not in head.partition(b"\r\n")[0]:
            self.close()
            raise ConnectionError(head.partition(b"\r\n")[0].decode() or "closed")

    def send(self, text: str, opcode: int = 1) -> None:
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack("!BQ", 0xFF, len(data))
        # A mask of zeros leaves the data as they are.
        self.sock.sendall(bytes([0x80 | opcode]) + size + bytes(4) + data)

    def receive(self) -> str | int | None:
        """Return the next text, the code of the close, or None where the connection ended without one."""
        while True:
            try:
                head = self.file.read(2)
                if len(head) < 2:
                    return None
                opcode, size = head[0] & 15, head[1] & 127
                if size > 125:
                    size = int.from_bytes(self.file.read(2 if size == 126 else 8))
                data = self.file.read(size)
            except ConnectionError:
                return None
            if opcode == 8:
                return struct.unpack("!H", data[:2])[0] if data else 1005
            if opcode == 9:
                self.send(data.decode(), 10)
            elif opcode == 1:
                return data.decode()

    def ask(self, text: str) -> str | int | None:
        self.send(text)
        return self.receive()

    def close(self) -> None:
        self.file.close()
        self.sock.close()


class Events:
    """A client of server-sent events, as strict as a browser."""

    def __init__(self, port: int):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.sock.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        self.file = self.sock.makefile("rb")
        self.head = b"".join(iter(self.file.readline, b"\r\n"))
        self.retry = None

    def receive(self) -> str | None:
        """Return the next event; None where the stream ended in order. Raises ConnectionError where it was cut."""
        data = b""
        while not data.endswith(b"\n\n"):
            size = self.file.readline()
            if not size:
                raise ConnectionError("the stream was cut")
            part = self.file.read(int(size, 16) + 2)[:-2]
            if not part:
                return None
            data += part
            if data.startswith(b"retry: "):
                self.retry, data = data, b""
        return data.decode().removeprefix("data: ").strip()

    def close(self):
        self.file.close()
        self.sock.close()
