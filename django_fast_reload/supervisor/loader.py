"""Load the project: from nothing, or from the latest snapshot that the change leaves valid."""

import os
import tempfile
import time
from collections.abc import Callable

from .. import ipc
from .lineage import Lineage
from .load import Load
from .own_package import OwnPackage


class Loader:
    """Owns the processes and the load under way.

    bytecode: folder of compiled modules; None to make one, at the first start of all.
    """

    def __init__(self, plan: dict, environment: dict[bytes, bytes], loop, port: int, bytecode: str | None):
        self.port = port
        self.package = OwnPackage()
        self.lineage = Lineage(plan, environment, self.package.digest, loop)
        self.bytecode = bytecode_folder() if bytecode is None else bytecode
        self.load = Load(0, [])
        self.boot = f"{time.time():.0f}"
        self.debugger: dict = {}  # see Debugger.endpoint
        self.is_fresh = bytecode is None  # nothing has been served yet
        self.is_watched = False  # the folders that Django wants watched are known

    def connect(
        self,
        on_message: Callable,
        on_worker_end: Callable,
        on_lost: Callable,
        on_replaced: Callable[[list[str]], None],
    ) -> None:
        """Say what to call: for the first three see Lineage.

        on_replaced: called with the changed files where another version of this package has to go on.
        """
        self.lineage.on_message, self.lineage.on_end, self.lineage.on_lost = on_message, on_worker_end, on_lost
        self.on_replaced = on_replaced

    @property
    def is_serving(self) -> bool:
        return self.lineage.live is not None and self.lineage.live.is_serving

    @property
    def version(self) -> str:
        """Of the code, as pages compare it."""
        return f"{self.boot}.{self.load.number}"

    def start(self, changed: list[str] | None = None) -> None:
        """Start from nothing, in a fresh interpreter."""
        changed = changed or []
        if self.package.is_replaced():
            self.on_replaced(changed)
        self.begin(changed)
        self.launch()

    def launch(self) -> None:
        try:
            self.lineage.start(self.orders())
        except OSError as error:
            self.load.fail(ipc.plain_failure(f"No process could be started: {error}. Save a file to try again."))

    def resume(self, broken: dict[str, int]) -> None:
        """Replace the live process by one that uses what is there now.

        broken: path of each changed file, and the position of the first record that no longer holds because of it.
        """
        changed = sorted(broken)
        if self.package.is_touched() and self.package.is_replaced():
            self.on_replaced(changed)
        position = min(broken.values())
        self.begin(changed, position)
        self.lineage.heat(changed)
        before = self.lineage.resume(position, self.orders())
        if before is None:
            self.launch()
        else:
            self.load.before = before

    def begin(self, changed: list[str], position: int = 0) -> None:
        """Let go of the live process and note what the next one is for."""
        self.lineage.retire(position)
        self.load = Load(self.load.number + 1, changed)

    def on_configured(self, _) -> None:
        self.is_watched = False

    def orders(self) -> ipc.Orders:
        return ipc.Orders(
            hot=self.lineage.hot,
            is_fresh=self.is_fresh,
            is_watched=self.is_watched,
            port=self.port,
            version=self.version,
            bytecode=self.bytecode,
            debugger=self.debugger,
        )


def bytecode_folder() -> str:
    """Return a new folder for compiled modules that only this user can write to; empty where there can be none."""
    try:
        return tempfile.mkdtemp(prefix="fast-reload-", dir=os.environ.get("TMPDIR") or "/tmp")
    except OSError:
        return ""
