"""Which files are part of the project."""

import os
import sysconfig
from pathlib import Path

from .package import FOLDER as PACKAGE

INSTALLED = {"site-packages", "dist-packages", "node_modules", "__pycache__"}
MAX_LINKS = 40  # in one path; the kernel follows no more either
STDLIB = tuple({os.path.realpath(sysconfig.get_path(name)) + "/" for name in ("stdlib", "platstdlib")})


class ProjectPaths:
    """Tells by path, never by module name, which files are the developer's.

    root: the folder of manage.py. Code outside it counts too, as for Django's own reloader, unless it is installed or
    part of the standard library. Data files count only inside.
    """

    def __init__(self, root: str):
        self.root = os.path.realpath(root)
        self.folders: dict[str, tuple[str, bool, bool]] = {}

    def locate(self, path: str, code: bool = False) -> str | None:
        """Return the path with symlinked folders resolved, or None where it is not part of the project."""
        folder, name = os.path.split(path)
        found = self.folders.get(folder)
        if found is None:
            found = self.folders[folder] = self._judge(os.path.realpath(folder))
        real, has_data, has_code = found
        return f"{real}/{name}" if has_data or (code and has_code) else None

    def _judge(self, folder: str) -> tuple[str, bool, bool]:
        parts = Path(folder).parts
        if f"{folder}/".startswith((*STDLIB, PACKAGE + "/")):
            return folder, False, False
        if folder != self.root and not folder.startswith(self.root + "/"):
            return folder, False, INSTALLED.isdisjoint(parts)
        inside = parts[len(Path(self.root).parts) :]
        is_own = INSTALLED.isdisjoint(inside) and not any(part.startswith(".") for part in inside)
        below = [Path(self.root, *inside[: depth + 1]) for depth in range(len(inside))]
        is_own = is_own and not any((place / "pyvenv.cfg").exists() for place in below)
        return folder, is_own, is_own


def links(path: str) -> list[str]:
    """Return the symlinks that lead to an absolute `path`, each with the real path of its folder."""
    place, names, found = "", path.split("/")[::-1], []
    while names and len(found) < MAX_LINKS:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            place = place.rpartition("/")[0]
            continue
        place = f"{place}/{name}"
        try:
            target = os.readlink(place)
        except OSError:
            continue
        found.append(place)
        place = "" if target.startswith("/") else place.rpartition("/")[0]
        names += target.split("/")[::-1]
    return found
