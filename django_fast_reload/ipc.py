"""Messages between the processes: every kind, with its fields.

Each message is one JSON datagram on a Unix socket pair, and may carry file descriptors. On the wire it is a list: the
name of its class, then its fields in order.
"""

import json
import os
import socket
from array import array
from typing import NamedTuple

from .failure import Failure, TestFailure, plain_failure

__all__ = ["Failure", "TestFailure", "plain_failure"]  # and every message

MAX_MESSAGE = 96 * 1024  # bytes in one datagram; the kernel's default send buffer holds 208 KiB
RIGHTS_SIZE = socket.CMSG_LEN(4 * array("i").itemsize)  # bytes; no message has more than four descriptors
IN_MEMORY = b"\0"  # in place of a larger message: its last descriptor is of the memory that holds it
Socket = socket.socket  # as it is before the project, in which gevent may replace it
DRAIN_TIMEOUT = 30  # seconds that a request may still take after its code has been replaced
EDITOR = "vscode://file{path}:{line}:{column}"


# ---- supervisor to worker


class Orders(NamedTuple):
    """The first message to a new worker, and what makes a snapshot go on.

    With it a snapshot gets two descriptors: the socket and the journal of the process it becomes.
    """

    hot: list[str]  # files edited lately: each gets a snapshot of its own
    is_fresh: bool  # nothing has been served yet
    is_watched: bool  # the supervisor already knows the folders that Django wants watched
    port: int
    version: str  # of the code, as pages are told
    bytecode: str  # folder of compiled modules; empty for none
    debugger: dict  # fields of DebuggerPort; empty without a debugger
    run: dict = {}  # which tests to run, see Outcomes.run; empty where the project is served


class Connection(NamedTuple):
    """A client's connection to answer; the descriptor comes with it."""


class Changed(NamedTuple):
    """Files changed that are no part of the process: templates, translations. The worker answers with Handled."""

    files: list[str]


class Current(NamedTuple):
    """The answer to Ask: the files are still those that the worker is made of. Where they are not, Retire follows.

    To Debugging of a worker that runs tests: the terminal is its own.
    """


class Retire(NamedTuple):
    """Another process takes over: finish the requests under way, then end.

    A worker whose supervisor is gone does the same.
    """

    position: int  # of the snapshot that goes on; what was made before it still serves


class Stop(NamedTuple):
    """End, and run the exit handlers."""


class Warm(NamedTuple):
    """What the next process is likely to need. The supervisor passes it on to a snapshot, which prepares a copy."""

    modules: list[str]  # to import: of Django and the standard library only
    pages: list[list[int]]  # pages of memory to copy ahead: first page, number of pages
    databases: list[str] = []  # aliases of those whose test database is to be made


# ---- worker to supervisor


class Ask(NamedTuple):
    """Something came over a connection that was open before: may the worker still answer it? See Current."""


class Recorded(NamedTuple):
    """The journal has news. By sending it a replaced process also learns whether the supervisor lives."""


class Forked(NamedTuple):
    """The sender is a new process. If the one before it is a snapshot now, that one's socket comes with the message."""

    pid: int
    holder: int = 0  # pid of the snapshot
    position: int = 0  # number of records that the snapshot holds
    before: str = ""  # path of the file that it would execute next; empty at the end


class Obstacle(NamedTuple):
    """No snapshot can be taken from here on."""

    before: str
    reason: str


class Address(NamedTuple):
    """Where the project wants to be served: a subclass of the command may have defaults of its own."""

    address: str
    port: int
    ipv6: bool


class Serving(NamedTuple):
    """The project is loaded and connections are welcome."""

    url: str = ""  # of the site, where the project says it
    editor: str = EDITOR  # link to a line, with {path}, {where}, {line} and {column}
    allowed_hosts: list[str] = []  # of the settings


class Failed(NamedTuple):
    """The project did not load; the process ends."""

    failure: Failure


class Declined(NamedTuple):
    """Django's own server should run instead."""

    reason: str


class Debugging(NamedTuple):
    """Someone sits in a debugger, while the project loads or in a request of a replaced process."""


class Busy(NamedTuple):
    """A replaced process still does what it has begun, however long that takes: a task, say."""


class Configured(NamedTuple):
    """Settings and apps were loaded anew, so Django may want other folders watched than the last time it said so."""


class Folders(NamedTuple):
    """What Django wants watched: every file below these."""

    folders: list[str]  # of templates and translations; symlinks below them are followed
    static: list[str]


class Handled(NamedTuple):
    """The answer to Changed."""

    files: list[str]
    restart: str  # the file for which the process must be replaced; empty for none


class Checks(NamedTuple):
    """What Django's system checks found."""

    text: str
    is_serious: bool  # at least one error


# ---- worker that runs tests to supervisor


class Unprepared(NamedTuple):
    """What tests load lazily could not be loaded ahead: go on from `position`, and leave it to the tests."""

    position: int


class Collected(NamedTuple):
    """All tests are collected, and those that are chosen begin."""

    tests: list[str]  # node ids of all, in order
    chosen: list[str]
    shapes: dict  # path: shape, of modules that the supervisor does not know yet; see worker/usage.py
    prepared: dict  # of worker/preparation.py: "position", number of records before it; "paths" of what ran. Or empty


class Tested(NamedTuple):
    """Tests have ended."""

    outcomes: dict  # node id: passed, failed, error, skipped, xfailed or xpassed
    failures: dict  # node id: TestFailure
    uses: dict  # node id: {path: functions that ran, or "" where it is no module}
    templates: list[str]  # paths that were rendered
    plain: list[str]  # node ids of those that used nothing of what worker/preparation.py loads


class Needy(NamedTuple):
    """A test needs what was not loaded ahead for this run: go on from `position`, and load it."""

    test: str
    position: int


class Finished(NamedTuple):
    """The run is over."""

    seconds: float  # that the tests took
    errors: list[dict]  # TestFailures of the collection
    shapes: dict  # as in Collected


# ---- supervisor that watches tests to the one that serves


class Verdict(NamedTuple):
    """How the tests are. It goes with the connection."""

    tests: dict  # see Outcomes.verdict


# ---- holder of debugpy's port to supervisor


class DebuggerPort(NamedTuple):
    """How a worker joins. It is sent when the port is held, and when an editor comes or goes."""

    host: str = ""
    port: int = 0
    access_token: str = ""
    ppid: int = 0
    is_attached: bool = False  # an editor
    error: str = ""  # why the port is not held


KINDS = {name: kind for name, kind in list(globals().items()) if hasattr(kind, "_fields")}


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return adopt(ours.detach()), adopt(theirs.detach())


def adopt(fd: int) -> socket.socket:
    """Return the socket of a descriptor, without the default timeout that a project may have set for its own."""
    sock = Socket(fileno=fd)
    sock.settimeout(None)
    return sock


def send(sock: socket.socket, message: tuple, *fds: int, flags: int = 0) -> None:
    """Send one message.

    Raises OSError where the other side is gone, BlockingIOError where `flags` forbid to wait for it.
    """
    data = json.dumps((type(message).__name__, *message)).encode()
    if len(data) > MAX_MESSAGE:
        memory = os.memfd_create("message")
        try:
            os.write(memory, data)
            send_data(sock, IN_MEMORY, (*fds, memory), flags)
        finally:
            os.close(memory)
    else:
        send_data(sock, data, fds, flags)


def send_data(sock: socket.socket, data: bytes, fds: tuple[int, ...], flags: int) -> None:
    # Not socket.send_fds() and recv_fds(): in Python 3.12 and 3.13 they ignore their flags.
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
    sock.sendmsg([data], rights, flags)


def receive(sock: socket.socket, flags: int = 0) -> tuple[tuple | None, list[int]]:
    """Return the next message and its descriptors; None in place of the message where the other side is gone.

    Raises BlockingIOError where there is none and `flags` forbid to wait for it.
    """
    fds = array("i")
    try:
        # Without CLOEXEC every program that the project starts would hold its clients' connections open.
        data, rights, _, _ = sock.recvmsg(MAX_MESSAGE, RIGHTS_SIZE, flags | socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return None, []
    for _, _, found in rights:
        fds.frombytes(found)
    if data == IN_MEMORY:
        with open(fds.pop(), "rb") as memory:
            memory.seek(0)
            data = memory.read()
    if not data:
        return None, []
    name, *fields = json.loads(data)
    return KINDS[name](*fields), list(fds)
