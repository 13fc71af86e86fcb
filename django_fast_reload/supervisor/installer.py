"""Install a changed lock into the running environment while requests go on."""

import os
import selectors
import shutil
import sys
from collections.abc import Callable
from subprocess import PIPE, STDOUT, Popen

from ..observation import FILE, observe
from .terminal import Terminal

MAX_OUTPUT = 8000  # characters of output that are kept


class Installer:
    """Watches the locks that DEVSERVER_REQUIREMENTS names, separated by spaces, relative to the project's root.

    It is a variable and not a setting, because settings can't be read while a package is missing.
    notify: called with title and text of a message for the open pages.
    on_installed: called with the changed locks.
    """

    def __init__(
        self, terminal: Terminal, environment: dict[bytes, bytes], loop, notify: Callable, on_installed: Callable
    ):
        names = environment.get(b"DEVSERVER_REQUIREMENTS", b"").decode().split()
        self.locks = {path: observe(FILE, path) for path in (os.path.join(terminal.root, name) for name in names)}
        self.terminal, self.environment, self.loop = terminal, environment, loop
        self.notify, self.on_installed = notify, on_installed
        self.changed: list[str] = []  # what the installations under way are for
        self.output = b""
        self.process: Popen | None = None

    def install_changed(self, paths: set[str]) -> bool:
        """Start an installation if one of the paths is a changed lock; return whether one was started."""
        found = {path: observe(FILE, path) for path in paths & self.locks.keys()}
        changed = [path for path, value in found.items() if value and value != self.locks[path]]
        if self.process:
            return False  # They are compared again when the installation under way ends.
        self.locks.update({path: found[path] for path in changed})
        if changed:
            names = self.terminal.names(sorted(changed))
            self.terminal.say(f"{names} changed: installing.")
            self.notify(f"{names} changed", "Installing the requirements.")
            self.start()
            self.changed = sorted({*self.changed, *changed})
        return bool(changed)

    def start(self) -> None:
        self.output = b""
        self.process = Popen(self.command(), env=self.environment, stdout=PIPE, stderr=STDOUT)
        self.loop.register(self.process.stdout, selectors.EVENT_READ, self.on_readable)

    def command(self) -> list[str]:
        """Return the program that makes the environment equal to the locks: uv, where it is installed."""
        path = self.environment.get(b"PATH", b"").decode()
        uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{path}")
        if uv:
            return [uv, "pip", "sync", "--quiet", "--python", sys.executable, *self.locks]
        files = [word for lock in self.locks for word in ("-r", lock)]
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *files]

    def on_readable(self) -> None:
        data = self.process.stdout.read1(65536)
        self.output += data
        if data:
            return
        self.loop.unregister(self.process.stdout)
        with self.process:  # It has ended; this closes its output.
            status = self.process.wait()
        self.process = None
        if status == 0:
            self.stamp()
        output = self.output.decode(errors="replace").strip()[-MAX_OUTPUT:]
        if self.install_changed(set(self.locks)):
            return  # They changed meanwhile: only the last installation counts.
        changed, self.changed = self.changed, []
        if status == 0:
            self.on_installed(changed)
            return
        names, error = self.terminal.names(changed), output or f"The command ended with status {status}."
        self.terminal.say(f"{names} could not be installed. The server keeps the packages it has.\n{error}")
        self.notify(f"{names} could not be installed", error)

    def stamp(self) -> None:
        """Renew the copy of the lock that an image keeps inside the environment, to see what it was made from."""
        for lock in self.locks:
            copy = os.path.join(sys.prefix, os.path.basename(lock))
            if os.path.exists(copy):
                shutil.copyfile(lock, copy)
