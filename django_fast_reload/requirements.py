"""Install a changed lock into the environment that runs, beside the requests."""

import os
import selectors
import shutil
import sys
from collections.abc import Callable

from .project import FILE, observe

LONGEST = 8000  # characters of output that are kept


class Installer:
    """Watches the locks that DEVSERVER_REQUIREMENTS names, separated by spaces, relative to the project's root.

    It is a variable and no setting, because a package that is missing is what keeps settings from being read.
    done: called with the changed locks and an error text, which is empty where all went well.
    """

    def __init__(self, root: str, environment: dict[bytes, bytes], loop, done: Callable[[list[str], str], None]):
        names = environment.get(b"DEVSERVER_REQUIREMENTS", b"").decode().split()
        self.locks = {path: observe(FILE, path) for path in (os.path.join(root, name) for name in names)}
        self.environment, self.loop, self.done = environment, loop, done
        self.changed: list[str] = []  # what the installation under way is for
        self.output = b""
        self.pid = 0

    def notice(self, paths: set[str]) -> list[str]:
        """Start an installation if one of the paths is a changed lock; return the locks it is for."""
        found = {path: observe(FILE, path) for path in paths & self.locks.keys()}
        changed = [path for path, value in found.items() if value and value != self.locks[path]]
        if self.pid:
            return []  # Its end looks again.
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
        self.loop.register(read, selectors.EVENT_READ, lambda: self.hear(read))

    def command(self) -> list[str]:
        """Return the program that makes the environment equal to the locks: uv, where it is installed."""
        path = self.environment.get(b"PATH", b"").decode()
        uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{path}")
        if uv:
            return [uv, "pip", "sync", "--quiet", "--python", sys.executable, *self.locks]
        files = [word for lock in self.locks for word in ("-r", lock)]
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *files]

    def hear(self, read: int) -> None:
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
        output = self.output.decode(errors="replace").strip()[-LONGEST:]
        self.done(self.changed, "" if status == 0 else output or f"the command ended with {status >> 8}")
        self.notice(set(self.locks))

    def stamp(self) -> None:
        """Renew a copy of the lock inside the environment, where an image keeps one to see what it is made from."""
        for lock in self.locks:
            copy = os.path.join(sys.prefix, os.path.basename(lock))
            if os.path.exists(copy):
                shutil.copyfile(lock, copy)
