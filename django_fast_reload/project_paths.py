"""Which files are part of the project."""

import os
import sysconfig
from collections.abc import Callable
from pathlib import Path

from .package import FOLDER as PACKAGE

INSTALLED = {"site-packages", "dist-packages", "node_modules", "__pycache__"}
MAX_LINKS = 40  # in one path; the kernel follows no more either
STDLIB = tuple({os.path.realpath(sysconfig.get_path(name)) + "/" for name in ("stdlib", "platstdlib")})


class ProjectPaths:
    """Tells by path, never by module name, which files are the developer's.

    root: the folder of manage.py. Code outside it counts too, as for Django's own reloader, unless it is installed or
    part of the standard library. Data files count only inside.
    on_link: called with each symlink on which an answer depends, and its target.
    """

    def __init__(self, root: str):
        self.root = os.path.realpath(root)
        self.on_link: Callable[[str, str], None] = lambda link, target: None
        self.folders: dict[str, tuple[str, bool, bool, dict[str, str]]] = {}

    def locate(self, path: str, code: bool = False) -> str | None:
        """Return the path with symlinked folders resolved, or None where it is not part of the project."""
        folder, name = os.path.split(path)
        found = self.folders.get(folder)
        if found is None:
            found = self.folders[folder] = self._judge(folder)
        real, has_data, has_code, links = found
        is_own = has_data or (code and has_code)
        for link, target in links.items():
            if is_own or link.startswith(self.root + "/"):
                self.on_link(link, target)
        return f"{real}/{name}" if is_own else None

    def _judge(self, folder: str) -> tuple[str, bool, bool, dict[str, str]]:
        real, links = resolve(folder)
        return real, *self._judge_real(real), links

    def _judge_real(self, folder: str) -> tuple[bool, bool]:
        parts = Path(folder).parts
        if f"{folder}/".startswith((*STDLIB, PACKAGE + "/")):
            return False, False
        if folder != self.root and not folder.startswith(self.root + "/"):
            return False, INSTALLED.isdisjoint(parts)
        inside = parts[len(Path(self.root).parts) :]
        is_own = INSTALLED.isdisjoint(inside) and not any(part.startswith(".") for part in inside)
        below = [Path(self.root, *inside[: depth + 1]) for depth in range(len(inside))]
        is_own = is_own and not any((place / "pyvenv.cfg").exists() for place in below)
        return is_own, is_own


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
