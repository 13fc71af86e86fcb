"""Which files are part of the project."""

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .package import FOLDER as PACKAGE

INSTALLED = {"site-packages", "dist-packages", "node_modules", "__pycache__"}
MAX_LINKS = 40  # in one path; the kernel follows no more either
# What Python and the system read of their own.
PREFIXES = {os.path.realpath(prefix) + "/" for prefix in (sys.prefix, sys.base_prefix)}
SYSTEM = ("/proc/", "/sys/", "/dev/", "/usr/", "/lib/", "/lib64/", *PREFIXES)
TEMPORARY = os.path.realpath(os.environ.get("TMPDIR") or "/tmp") + "/"
STDLIB = tuple({os.path.realpath(sysconfig.get_path(name)) + "/" for name in ("stdlib", "platstdlib")})


class Folder(NamedTuple):
    """A folder: its real path, whether names, code and data in it count, and the symlinks on the way with targets."""

    real: str
    is_own: bool
    has_code: bool
    has_data: bool
    links: dict[str, str]


class ProjectPaths:
    """Tells by path, never by module name, which files are the developer's.

    root: the folder of manage.py. Code and data outside it count too, unless they are installed, part of Python or of
    the system; the names in a folder count only inside.
    on_link: called with each symlink on which an answer depends, and its target.
    """

    def __init__(self, root: str):
        self.root = os.path.realpath(root)
        self.on_link: Callable[[str, str], None] = lambda link, target: None
        self.folders: dict[str, Folder] = {}
        self.judged: dict[str, tuple[bool, bool, bool]] = {}

    def locate(self, path: str, code: bool = False, data: bool = False) -> str | None:
        """Return the path with symlinked folders resolved, or None where it is not part of the project.

        code: it is a module; data: it is a file that was read.
        """
        folder, name = os.path.split(path)
        found = self.folders.get(folder) or self._look(folder)
        is_part = found.is_own or (code and found.has_code) or (data and found.has_data)
        for link, target in found.links.items():
            if is_part or link.startswith(self.root + "/"):
                self.on_link(link, target)
        return f"{found.real}/{name}" if is_part else None

    def _look(self, folder: str) -> Folder:
        """Resolve a folder from what is known of the one above: each process that goes on does it for all it uses."""
        above, _, name = folder.rpartition("/")
        real, links = "", {}
        if above and name not in ("", ".", ".."):
            known = self.folders.get(above) or self._look(above)
            real, links = os.path.join(known.real, name), known.links
        if not real or os.path.islink(real):
            real, links = resolve(folder)
        found = self.folders[folder] = Folder(real, *self._judge(real), links)
        return found

    def _judge(self, folder: str) -> tuple[bool, bool, bool]:
        """Return whether names, code and data in a folder count."""
        if folder not in self.judged:
            if f"{folder}/".startswith((*STDLIB, PACKAGE + "/")):
                self.judged[folder] = False, False, False
            elif folder == self.root:
                self.judged[folder] = True, True, True
            else:
                is_inside = folder.startswith(self.root + "/")
                self.judged[folder] = self._judge_inside(folder) if is_inside else self._judge_outside(folder)
        return self.judged[folder]

    def _judge_inside(self, folder: str) -> tuple[bool, bool, bool]:
        above, _, name = folder.rpartition("/")
        is_own, _, has_data = self._judge(above)
        has_data = has_data and name not in INSTALLED and not os.path.exists(f"{folder}/pyvenv.cfg")
        is_own = is_own and has_data and not name.startswith(".")
        return is_own, is_own, has_data

    def _judge_outside(self, folder: str) -> tuple[bool, bool, bool]:
        parts = Path(folder).parts
        has_code = INSTALLED.isdisjoint(parts)
        # Temporary files go again: a change each time. A project that is one itself has its data beside it.
        unstable = SYSTEM if self.root.startswith(TEMPORARY) else (*SYSTEM, TEMPORARY)
        return False, has_code, has_code and ".cache" not in parts and not f"{folder}/".startswith(unstable)


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
