"""Where this package is on disk, and a digest that tells one version of it from another."""

import hashlib
import os

VERSION = "1.0.0"
FOLDER = os.path.realpath(os.path.dirname(__file__))
MAIN = os.path.join(FOLDER, "__main__.py")
KINDS = (".py", ".js", ".html")
NOT_INSTALLED = {"tests", "bench", "build", "__pycache__"}  # they do not run in the server


def folders() -> list[str]:
    """Return the folders of the package that hold what runs."""
    found = []
    for place, names, _ in os.walk(FOLDER):
        names[:] = sorted(name for name in names if name not in NOT_INSTALLED and not name.endswith(".egg-info"))
        found.append(place)
    return found


def digest() -> str:
    """Return a digest of all files of the package as they are on disk now; empty where it is gone."""
    found = hashlib.blake2b(digest_size=16)
    for folder in folders():
        for name in sorted(os.listdir(folder)):
            if name.endswith(KINDS):
                with open(f"{folder}/{name}", "rb", buffering=0) as file:
                    data = file.read()
                found.update(f"{folder[len(FOLDER) :]}/{name}:{len(data)}\0".encode() + data)
    return found.hexdigest() if os.path.exists(MAIN) else ""
