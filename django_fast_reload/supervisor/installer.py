"""Install a changed lock into the running environment while requests go on."""

import os
import selectors
import shutil
import sys
from collections.abc import Callable

from ..observation import FILE, observe

MAX_OUTPUT = 8000  # characters of output that are kept


class Installer:
    """Watches the locks that DEVSERVER_REQUIREMENTS names, separated by spaces, relative to the project's root.

    It is a variable and not a setting, because settings can't be read while a package is missing.
    on_end: called with the changed locks and an error text, which is empty after a success.
    """

    def __init__(self, root: str, environment: dict[bytes, bytes], loop, on_end: Callable[[list[str], str], None]):
        names = environment.get(b"DEVSERVER_REQUIREMENTS", b"").decode().split()
        self.locks = {path: observe(FILE, path) for path in (os.path.join(root, name) for name in names)}
        self.environment, self.loop, self.on_end = environment, loop, on_end
        self.changed: list[str] = []  # what the installation under way is for
        self.output = b""
        self.pid = 0

    def install_changed(self, paths: set[str]) -> list[str]:
        """Start an installation if one of the paths is a changed lock; return the locks it is for."""
        found = {path: observe(FILE, path) for path in paths & self.locks.keys()}
        changed = [path for path, value in found.items() if value and value != self.locks[path]]
        if self.pid:
            return []  # They are compared again when the installation under way ends.
        self.locks.update({path: found[path] for path in changed})
        if changed:
            self.start(sorted(changed))
        return changed

    def start(self, changed: list[str]) -> None:
        self.changed, self.output = changed, b""
        read, write = os.pipe2(os.O_CLOEXEC)
        actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2)]
        command = self.command()
        self.pid = os.posix_spawn(command[0], command, self.environment, file_actions=actions)
        os.close(write)
        self.loop.register(read, selectors.EVENT_READ, lambda: self.on_readable(read))

    def command(self) -> list[str]:
        """Return the program that makes the environment equal to the locks: uv, where it is installed."""
        path = self.environment.get(b"PATH", b"").decode()
        uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{path}")
        if uv:
            return [uv, "pip", "sync", "--quiet", "--python", sys.executable, *self.locks]
        files = [word for lock in self.locks for word in ("-r", lock)]
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *files]

    def on_readable(self, read: int) -> None:
        data = os.read(read, 65536)
        self.output += data
        if data:
            return
        self.loop.unregister(read)
        os.close(read)
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        if status == 0:
            self.stamp()
        output = self.output.decode(errors="replace").strip()[-MAX_OUTPUT:]
        error = "" if status == 0 else output or f"The command ended with status {status >> 8}."
        changed = self.changed
        if not self.install_changed(set(self.locks)):
            self.on_end(changed, error)
        else:
            self.changed = sorted({*changed, *self.changed})

    def stamp(self) -> None:
        """Renew the copy of the lock that an image keeps inside the environment, to see what it was made from."""
        for lock in self.locks:
            copy = os.path.join(sys.prefix, os.path.basename(lock))
            if os.path.exists(copy):
                shutil.copyfile(lock, copy)
