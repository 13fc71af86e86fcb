"""Backups: files in backups/, each with its checksum beside it.

Python 3.9+, standard library only.
"""

import hashlib
import os
import re
import time
from pathlib import Path

from django_compose_stack.host.process import die
from django_compose_stack.host.project import ROOT

CHUNK = 1 << 20  # bytes
NAME = re.compile(r"\d{4}-\d\d-\d\d-\d{6}\.dump")


def stamp():
    return time.strftime("%Y-%m-%d-%H%M%S")


def private(name, flags):
    """Open a file that nobody else of this machine may read: all that the database holds is in it."""
    return os.open(name, flags, 0o600)


def shown(path):
    return path.relative_to(ROOT) if ROOT in path.parents else path


def digest(path):
    seen = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            seen.update(chunk)
    return seen.hexdigest()


def backup(server):
    """Write a backup, look whether it can be read, and only then give it its name; return its path."""
    keep = os.environ.get("KEEP") or "14"
    if not keep.isdigit() or int(keep) == 0:
        die(f"KEEP has value {keep!r}. Expected how many backups to keep, 1 or more")
    path = server.folder / f"{stamp()}.dump"
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        server.folder.mkdir(parents=True, exist_ok=True)
        with open(part, "xb", opener=private) as file:
            dump = ["pg_dump", "--format=custom", "--username", server.user, server.database]
            if server.run(*dump, stdout=file).returncode:
                die("pg_dump failed, see above; no backup was written")
            os.fsync(file.fileno())
        with part.open("rb") as file:
            server.output("pg_restore", "--list", stdin=file)
        # The format of sha256sum, which can check it too.
        path.with_suffix(".dump.sha256").write_text(f"{digest(part)}  {path.name}\n")
        part.rename(path)
    except OSError as error:
        die(f"{shown(part)} cannot be written: {error.strerror}; no backup was written")
    finally:
        part.unlink(missing_ok=True)
    # A file that somebody gave a name of their own is theirs, and stays.
    before = [old for old in sorted(server.folder.glob("*.dump")) if NAME.fullmatch(old.name) and old != path]
    for old in before[: max(0, len(before) + 1 - int(keep))]:
        old.unlink()
        old.with_suffix(".dump.sha256").unlink(missing_ok=True)
    print(f"Wrote {shown(path)}", flush=True)
    return path


def whole(name):
    """Return the path of a backup; exit unless the file is the one that its checksum was made of."""
    path = ROOT / Path(name).expanduser()
    if not path.is_file():
        die(f"there is no file {path}. See: make backups")
    checksum = path.with_suffix(path.suffix + ".sha256")
    if not checksum.is_file():
        die(f"{path} has no checksum. If you trust it: cd {path.parent} && sha256sum {path.name} >{checksum.name}")
    wanted = checksum.read_text().partition(" ")[0].strip()
    if digest(path) != wanted:
        die(f"{path} is not what it was when it was written: its checksum differs from {checksum.name}")
    return path
