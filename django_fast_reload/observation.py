"""What a process sees at a path: the same function for the worker, which notes it, and the supervisor, which compares.

So "changed" means one thing: the value differs.
"""

import hashlib
import os
import stat
from importlib.machinery import all_suffixes

FILE, CODE = "file", "code"  # the content of a file; of a module
LOOK, LIST = "look", "list"  # what import finds under a name; names in a folder
TESTS = "tests"  # what pytest may collect in a folder
LINK = "link"  # where a symlink leads

MAX_HASHED = 1 << 20  # bytes; a larger file that is no module is compared by size and time instead of being read
TEMPORARY = ("~", ".swp", ".tmp", "-journal", "-shm", "-wal")
COLLECTED = (".py", ".txt", ".rst")  # tests, and texts with doctests
SUFFIXES = all_suffixes()


def observe(kind: str, path: str, listings: dict[str, set[str]] | None = None) -> str:
    """Return what is seen at `path` now, as a short string to compare with; empty where nothing is there.

    listings: names by folder, kept from one call to the next where many are made at once.
    """
    if kind == LOOK:
        return find(*path.rsplit("/", 1), {} if listings is None else listings)
    if kind == TESTS:
        found = [name for name in names(path) if name.endswith(COLLECTED) or os.path.isdir(f"{path}/{name}")]
        return digest(os.fsencode("\0".join(sorted(filter(is_lasting, found)))))
    if kind == LIST:
        return digest(os.fsencode("\0".join(sorted(filter(is_lasting, names(path))))))
    try:
        if kind == LINK:
            return os.readlink(path)
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return ""  # Opening a named pipe would block.
        if status.st_size > MAX_HASHED and kind != CODE:
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
    """Return False for the temporary files of editors, interpreters and databases."""
    return not name.startswith((".", "__pycache__", "4913", "pytest-cache-files-")) and not name.endswith(TEMPORARY)
