"""Replace the supervisor by that of another version of this package, without closing a connection.

The sockets stay open across exec(). Those of clients that still wait for an answer are taken up by the new supervisor;
those of workers that finish their requests, and of clients that read their answer, are held until the other side ends.
"""

import json
import os
import selectors
import signal
import socket
import sys
from dataclasses import asdict, dataclass, field

from ..package import MAIN
from .terminal import END_SIGNALS


@dataclass
class Inheritance:
    """What the next supervisor takes over; empty for the first."""

    fd: int = -1  # of the listening socket
    connections: list[int] = field(default_factory=list)  # descriptors of clients without an answer so far
    held: list[int] = field(default_factory=list)  # descriptors to keep open until the other side ends
    bytecode: str | None = None  # folder of compiled modules
    changed: list[str] = field(default_factory=list)  # files that the next load is for

    @classmethod
    def of(cls, listener, connections, held, bytecode: str, changed: list[str]) -> "Inheritance":
        """Build it from sockets."""
        fds = [[sock.fileno() for sock in sockets] for sockets in (connections, held)]
        return cls(listener.fileno(), *fds, bytecode, changed)

    def set_inheritable(self, inheritable: bool) -> None:
        for fd in (self.fd, *self.connections, *self.held):
            os.set_inheritable(fd, inheritable)

    def listener(self) -> socket.socket | None:
        if self.fd < 0:
            return None
        listener = socket.socket(fileno=self.fd)
        listener.setblocking(False)
        return listener


def replace(plan: dict, environment: dict[bytes, bytes], inheritance: Inheritance) -> str:
    """Become the supervisor that is on disk now. Returns only an error text."""
    what = json.dumps({**plan, "inheritance": asdict(inheritance)})
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # A signal that comes before the new supervisor has its handlers would end it and leave its children running.
    signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    inheritance.set_inheritable(True)
    try:
        os.execve(sys.executable, [sys.executable, MAIN, "supervise", what], environment)
    except OSError as error:
        inheritance.set_inheritable(False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)
        return str(error)


def take(plan: dict) -> Inheritance:
    """Remove from the plan and return what the supervisor before left."""
    fields = plan.pop("inheritance", None)
    if fields is None:
        return Inheritance()
    # The supervisor before is of another version, and may leave more than this one knows.
    inheritance = Inheritance(**{name: fields[name] for name in fields.keys() & {*Inheritance.__match_args__}})
    inheritance.set_inheritable(False)
    return inheritance


def run_stock(plan: dict, environment: dict[bytes, bytes]) -> None:
    """Become Django's own server."""
    target = ["-m", *plan["argv"]] if plan["as_module"] else plan["argv"]
    command = [sys.executable, *plan["flags"], *target]
    os.execve(sys.executable, command, {**environment, b"DEVSERVER": b"stock"})


class Held:
    """Sockets that are kept open until the other side closes them."""

    def __init__(self, loop: selectors.BaseSelector, fds: list[int]):
        self.loop = loop
        self.sockets = {socket.socket(fileno=fd) for fd in fds}
        for sock in self.sockets:
            loop.register(sock, selectors.EVENT_READ, lambda sock=sock: self.on_readable(sock))

    def on_readable(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.loop.unregister(sock)
            self.sockets.discard(sock)
            sock.close()
