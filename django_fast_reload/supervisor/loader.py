"""Load the project: from nothing, or from the latest snapshot that the change leaves valid.

A load lasts from the change that asks for it to the answer or the error it ends with.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .. import ipc
from .handover import OwnPackage
from .lineage import Lineage

DOUBT = 0.04  # seconds before an error is believed: a writer may have been stopped between truncating and writing
FROM_NOTHING = -1  # no snapshot has used so few records
MIN_LIFE = 1.0  # seconds; a server that ends by itself sooner is not started again


@dataclass
class Load:
    """changed: the files it is for; before: the file from which on the project was executed anew, "" for all of it."""

    number: int
    changed: list[str]
    before: str = ""
    started: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    failure: ipc.Failure | None = None
    is_reported: bool = True
    notice: dict | None = None  # what pages show beside an error: {"title": str, "text": str}
    unanswered: set[str] = field(default_factory=set)  # files that the worker was told of and has not confirmed

    def fail(self, failure: ipc.Failure) -> None:
        self.failure, self.is_reported = failure, False
        self.ended = time.monotonic()

    def is_known_broken(self) -> bool:
        return self.failure is not None and self.is_reported

    def report_in(self) -> float | None:
        """Return the seconds until the error, if there is one, is to be reported; None where nothing is."""
        return None if self.is_reported else self.ended + DOUBT - time.monotonic()

    def is_short(self) -> bool:
        return time.monotonic() - self.started <= MIN_LIFE

    @property
    def milliseconds(self) -> float:
        return (self.ended - self.started) * 1000


class Loader:
    """Owns the processes and the load under way.

    bytecode: folder of compiled modules; None to make one, at the first start of all.
    debugger: see Debugger.endpoint.
    """

    on_replaced: Callable[[list[str]], None]  # called with changed files where another version of this package goes on

    def __init__(self, plan: dict, environment: dict[bytes, bytes], loop, bytecode: str | None, debugger: dict):
        self.plan, self.debugger = plan, debugger
        self.run: Callable[[list[str]], dict] = lambda changed: {}  # says which tests to run, see Orders
        self.package = OwnPackage()
        self.lineage = Lineage(plan, environment, self.package.digest, loop)
        self.bytecode = bytecode_folder() if bytecode is None else bytecode
        self.load = Load(0, [])
        self.boot = f"{time.time():.0f}"
        self.is_fresh = bytecode is None  # nothing has been served yet
        self.is_watched = False  # the folders that Django wants watched are known

    @property
    def is_serving(self) -> bool:
        return self.lineage.live is not None and self.lineage.live.is_serving

    @property
    def version(self) -> str:
        """Of the code, as pages compare it."""
        return f"{self.boot}.{self.load.number}"

    def start(self, changed: list[str] | None = None) -> None:
        """Start from nothing, in a fresh interpreter."""
        self.replace(changed or [], FROM_NOTHING)

    def resume(self, broken: dict[str, int]) -> None:
        """Replace the live process by one that uses what is there now.

        broken: path of each changed file, and the position of the first record that no longer holds because of it.
        """
        changed = sorted(broken)
        if self.package.is_touched() and self.package.is_replaced():
            self.on_replaced(changed)
        self.lineage.heat(changed)
        self.replace(changed, min(broken.values()))

    def replace(self, changed: list[str], position: int) -> None:
        """Let go of the live process, and go on from a snapshot that had used no more than `position` records."""
        self.lineage.retire(position)
        self.load = Load(self.load.number + 1, changed)
        try:
            self.load.before = self.lineage.go_on(position, self.orders())
        except OSError as error:
            self.load.fail(ipc.plain_failure(f"No process could be started: {error}. Save a file to try again."))

    def on_configured(self, _) -> None:
        self.is_watched = False

    def orders(self) -> ipc.Orders:
        return ipc.Orders(
            hot=self.lineage.hot,
            is_fresh=self.is_fresh,
            is_watched=self.is_watched,
            port=self.plan["port"],
            version=self.version,
            bytecode=self.bytecode,
            debugger=self.debugger,
            run=self.run(self.load.changed),
        )


def bytecode_folder() -> str:
    """Return a new folder for compiled modules that only this user can write to; empty where there can be none."""
    try:
        return tempfile.mkdtemp(prefix="fast-reload-", dir=os.environ.get("TMPDIR") or "/tmp")
    except OSError:
        return ""
