"""What is a file of the project, and what a process has seen of it.

The processes that load the project note what they saw; the supervisor looks again later. Both use `observe`, so that
"changed" means one thing: the value differs.
"""

import hashlib
import os
import stat
import sysconfig
from importlib.machinery import all_suffixes
from pathlib import Path

FILE, LOOK, LIST = "file", "look", "list"  # the content of a file; what import finds under a name; names in a folder

NOT_OURS = {"site-packages", "dist-packages", "node_modules", "__pycache__"}
HASHED = 1 << 20  # bytes; a larger file is compared by size and time instead of being read
FLEETING = ("~", ".swp", ".tmp", "-journal", "-shm", "-wal")
SUFFIXES = all_suffixes()
STDLIB = tuple({os.path.realpath(sysconfig.get_path(name)) + "/" for name in ("stdlib", "platstdlib")})
ENGINE = os.path.realpath(os.path.dirname(__file__))


class Project:
    """Tells by path, never by module name, which files are the developer's.

    root: the folder of manage.py. Code outside of it counts too, unless it is installed or the standard library's:
    Django watches it as well. Data files count only inside.
    """

    def __init__(self, root: str):
        self.root = os.path.realpath(root)
        self.folders: dict[str, tuple[str, bool, bool]] = {}

    def locate(self, path: str, code: bool = False) -> str | None:
        """Return the path with symlinked folders resolved, or None where it is not the project's."""
        folder, name = os.path.split(path)
        found = self.folders.get(folder)
        if found is None:
            found = self.folders[folder] = self._judge(os.path.realpath(folder))
        real, has_data, has_code = found
        return f"{real}/{name}" if has_data or (code and has_code) else None

    def _judge(self, folder: str) -> tuple[str, bool, bool]:
        parts = Path(folder).parts
        if f"{folder}/".startswith((*STDLIB, ENGINE + "/")):
            return folder, False, False
        if folder != self.root and not folder.startswith(self.root + "/"):
            return folder, False, NOT_OURS.isdisjoint(parts)
        inside = parts[len(Path(self.root).parts) :]
        ours = NOT_OURS.isdisjoint(inside) and not any(part.startswith(".") for part in inside)
        below = [Path(self.root, *inside[: depth + 1]) for depth in range(len(inside))]
        ours = ours and not any((place / "pyvenv.cfg").exists() for place in below)
        return folder, ours, ours


def observe(kind: str, path: str, listings: dict[str, set[str]] | None = None) -> str:
    """Return what is seen at `path` now, as a short string to compare with; empty where nothing is there.

    listings: names by folder, kept from one call to the next where many are made at once.
    """
    if kind == LOOK:
        return find(*path.rsplit("/", 1), {} if listings is None else listings)
    if kind == LIST:
        return digest(os.fsencode("\0".join(sorted(filter(is_lasting, names(path))))))
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return ""  # Opening a named pipe would block.
        if status.st_size > HASHED:
            return f"{status.st_size}:{status.st_mtime_ns}"
        with open(path, "rb", buffering=0) as file:
            return digest(file.read())
    except OSError:
        return ""


def find(folder: str, name: str, listings: dict[str, set[str]]) -> str:
    """Return the file, relative to `folder`, that `import name` finds there; with a slash at the end, a namespace."""
    if folder not in listings:
        listings[folder] = names(folder)
    there = listings[folder]
    is_folder = name in there and os.path.isdir(f"{folder}/{name}")
    if is_folder:
        inside = names(f"{folder}/{name}")
        for suffix in SUFFIXES:
            if f"__init__{suffix}" in inside:
                return f"{name}/__init__{suffix}"
    for suffix in SUFFIXES:
        if f"{name}{suffix}" in there and os.path.isfile(f"{folder}/{name}{suffix}"):
            return f"{name}{suffix}"
    return f"{name}/" if is_folder else ""


def names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def is_lasting(name: str) -> bool:
    """Tell whether a name is not an editor's, the interpreter's or a database's own, which come and go."""
    return not name.startswith((".", "__pycache__", "4913")) and not name.endswith(FLEETING)
