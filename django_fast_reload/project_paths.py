"""Which files are part of the project."""

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from .package import FOLDER as PACKAGE

INSTALLED = {"site-packages", "dist-packages", "node_modules", "__pycache__"}
MAX_LINKS = 40  # in one path; the kernel follows no more either
# What Python and the system read of their own.
PREFIXES = {os.path.realpath(prefix) + "/" for prefix in (sys.prefix, sys.base_prefix)}
SYSTEM = ("/proc/", "/sys/", "/dev/", "/usr/", "/lib/", "/lib64/", *PREFIXES)
TEMPORARY = os.path.realpath(os.environ.get("TMPDIR") or "/tmp") + "/"
STDLIB = tuple({os.path.realpath(sysconfig.get_path(name)) + "/" for name in ("stdlib", "platstdlib")})


class ProjectPaths:
    """Tells by path, never by module name, which files are the developer's.

    root: the folder of manage.py. Code and data outside it count too, unless they are installed, part of Python or of
    the system; the names in a folder count only inside.
    on_link: called with each symlink on which an answer depends, and its target.
    """

    def __init__(self, root: str):
        self.root = os.path.realpath(root)
        self.on_link: Callable[[str, str], None] = lambda link, target: None
        self.folders: dict[str, tuple[str, bool, bool, bool, dict[str, str]]] = {}

    def locate(self, path: str, code: bool = False, data: bool = False) -> str | None:
        """Return the path with symlinked folders resolved, or None where it is not part of the project.

        code: it is a module; data: it is a file that was read.
        """
        folder, name = os.path.split(path)
        found = self.folders.get(folder)
        if found is None:
            real, links = resolve(folder)
            found = self.folders[folder] = (real, *self._judge(real), links)
        real, is_own, has_code, has_data, links = found
        is_part = is_own or (code and has_code) or (data and has_data)
        for link, target in links.items():
            if is_part or link.startswith(self.root + "/"):
                self.on_link(link, target)
        return f"{real}/{name}" if is_part else None

    def _judge(self, folder: str) -> tuple[bool, bool, bool]:
        """Return whether names, code and data in a folder count."""
        parts = Path(folder).parts
        if f"{folder}/".startswith((*STDLIB, PACKAGE + "/")):
            return False, False, False
        if folder != self.root and not folder.startswith(self.root + "/"):
            has_code = INSTALLED.isdisjoint(parts)
            # Temporary files go again: a change each time. A project that is one itself has its data beside it.
            unstable = SYSTEM if self.root.startswith(TEMPORARY) else (*SYSTEM, TEMPORARY)
            return False, has_code, has_code and ".cache" not in parts and not f"{folder}/".startswith(unstable)
        inside = parts[len(Path(self.root).parts) :]
        below = [Path(self.root, *inside[: depth + 1]) for depth in range(len(inside))]
        has_data = INSTALLED.isdisjoint(inside) and not any((place / "pyvenv.cfg").exists() for place in below)
        is_own = has_data and not any(part.startswith(".") for part in inside)
        return is_own, is_own, has_data


def resolve(path: str) -> tuple[str, dict[str, str]]:
    """Return the real path of an absolute one, and the symlinks on the way, by the real path of each, with targets."""
    place, names, links, left = "", path.split("/")[::-1], {}, MAX_LINKS
    while names and left:
        name = names.pop()
        if name == "..":
            place = place.rpartition("/")[0]
        elif name not in ("", "."):
            place = f"{place}/{name}"
            try:
                target = os.readlink(place)
            except OSError:
                continue
            links[place] = target
            left -= 1
            place = "" if target.startswith("/") else place.rpartition("/")[0]
            names += target.split("/")[::-1]
    return place or "/", links
