"""Notice another version of this package, and replace the supervisor by that of it, without closing a connection.

The sockets stay open across exec(). Those of clients that still wait for an answer are taken up by the new supervisor;
those of workers that finish their requests, and of clients that read their answer, are held until the other side ends.
"""

import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass, field

from .. import package
from .client import read_now
from .terminal import END_SIGNALS

SETTLE = 0.1  # seconds without a change after which an installation counts as complete
MAX_LOOKS = 50
FOLDERS = package.folders()


class OwnPackage:
    """digest: of the version that this process runs."""

    def __init__(self):
        self.digest = package.digest()
        self.times = times()

    def is_touched(self) -> bool:
        """Tell, in microseconds, whether files of the package may have been replaced: an installation renames them."""
        return times() != self.times

    def is_replaced(self) -> bool:
        """Tell whether there is another version on disk, complete and fit to run."""
        before, found = times(), package.digest()
        if found == self.digest:
            self.times = before
            return False
        for _ in range(MAX_LOOKS):
            time.sleep(SETTLE)
            last, found = found, package.digest()
            if found == last:
                break
        return found not in ("", self.digest) and is_fit()

    def missing(self) -> str:
        """Say so where the package was removed; else return nothing."""
        name = os.path.basename(package.FOLDER)
        gone = not os.path.exists(package.MAIN)
        return f"{name} is no longer at {package.FOLDER}. Install it again." if gone else ""


def times() -> list[int]:
    """Return when names in the package's folders changed last. Nothing can set ctime to an older time."""
    try:
        return [os.stat(folder).st_ctime_ns for folder in FOLDERS]
    except OSError:
        return []


def is_fit() -> bool:
    """Import what is on disk in another process: someone may be working on the package itself."""
    probe = os.posix_spawn(sys.executable, [sys.executable, package.MAIN, "probe"], os.environ)
    return os.waitpid(probe, 0)[1] == 0


@dataclass
class Inheritance:
    """What the next supervisor takes over; empty for the first."""

    fd: int = -1  # of the listening socket
    connections: list[int] = field(default_factory=list)  # descriptors of clients without an answer so far
    held: list[int] = field(default_factory=list)  # descriptors to keep open until the other side ends
    bytecode: str | None = None  # folder of compiled modules
    changed: list[str] = field(default_factory=list)  # files that the next load is for
    tests: int = 0  # pid of the process that runs the tests; see beside.py

    def set_inheritable(self, inheritable: bool) -> None:
        for fd in (self.fd, *self.connections, *self.held):
            os.set_inheritable(fd, inheritable)


def replace(plan: dict, environment: dict[bytes, bytes], inheritance: Inheritance) -> str:
    """Become the supervisor that is on disk now. Returns only an error text."""
    what = json.dumps({**plan, "inheritance": asdict(inheritance)})
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # A signal that comes before the new supervisor has its handlers would end it and leave its children running.
    signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    inheritance.set_inheritable(True)
    try:
        os.execve(sys.executable, [sys.executable, package.MAIN, "supervise", what], environment)
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
        if read_now(sock, 65536) == b"":
            self.loop.unregister(sock)
            self.sockets.discard(sock)
            sock.close()
