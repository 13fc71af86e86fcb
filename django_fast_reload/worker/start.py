"""What every worker does first: take its orders, and put the recorder and the snapshots in place."""

import os
import signal
import sys

from .. import ipc, package
from ..journal import Journal
from ..project_paths import ProjectPaths
from .bytecode import Bytecode
from .recorder import Recorder
from .snapshotter import Snapshotter

OTHER_VERSION = 3  # exit status


def begin(fd: int, journal: int, package_digest: str, root: str) -> Snapshotter:
    """Return what takes the snapshots.

    fd, journal: descriptors of the socket to the supervisor and of the memory it reads.
    package_digest: of the version that the supervisor runs.
    """
    sock = ipc.adopt(fd)
    sock.set_inheritable(False)
    os.set_inheritable(journal, False)
    if package.digest() != package_digest:
        sys.exit(OTHER_VERSION)  # The supervisor sees the end, finds the new version, and becomes that one.
    orders, _ = ipc.receive(sock)
    snapshotter = Snapshotter(Recorder(ProjectPaths(root), sock, Journal(journal)), orders)
    # Control-C reaches every process of the terminal; the supervisor alone decides what it ends. A handler, not
    # SIG_IGN, because the programs that the project starts would inherit that.
    signal.signal(signal.SIGINT, lambda *_: None)
    if orders.debugger:
        import debugpy.server.api  # noqa: F401 (before the project, so that snapshots have it)
    return snapshotter


def install(snapshotter: Snapshotter) -> None:
    snapshotter.recorder.install(snapshotter.checkpoint, Bytecode(snapshotter.orders.bytecode))
