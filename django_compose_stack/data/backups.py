"""Backups: files in backups/, each with its checksum beside it."""

import hashlib
import os
import re
import shlex
import time
from pathlib import Path

from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import ROOT

CHUNK = 1 << 20  # bytes
STALE = 86_400  # seconds since the last byte, after which nobody is still writing the file
NAME = re.compile(r"\d{4}-\d\d-\d\d-\d{6}\.(dump|sql\.gz)")


def stamp():
    return time.strftime("%Y-%m-%d-%H%M%S")


def shown(path):
    return path.relative_to(ROOT) if ROOT in path.parents else path


def show(server, kept):
    """Print the backups, and the databases that restores have kept."""
    for path in sorted(server.folder.glob(f"*{server.suffix}")):
        print(f"{shown(path)}  {path.stat().st_size / 1e6:.1f} MB")
    for name in kept:
        print(f"database {name}, as it was before a restore")


def checksum_of(path):
    return path.with_name(f"{path.name}.sha256")


def digest(path):
    seen = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            seen.update(chunk)
    return seen.hexdigest()


def backup(server):
    """Write a backup, check that it can be read, and only then give it its name. Returns its path."""
    keep = os.environ.get("KEEP") or "14"
    if not re.fullmatch("[0-9]*[1-9][0-9]*", keep):
        raise Failure(f"KEEP has value {keep!r}. Expected how many backups to keep, 1 or more", "make backup KEEP=14")
    path = server.folder / f"{stamp()}{server.suffix}"
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        server.folder.mkdir(parents=True, exist_ok=True)
        # Mode 0600: a dump holds everything.
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            server.dump(file)
            os.fsync(file.fileno())
        server.check_dump(part)
        # In the format of sha256sum, which can check it too.
        checksum_of(path).write_text(f"{digest(part)}  {path.name}\n")
        part.rename(path)
    except OSError as error:
        problem = f"{shown(part)} cannot be written: {error.strerror}; no backup was written"
        raise Failure(problem, "see who owns that folder, and whether its disk has room: ls -ld, df") from error
    finally:
        part.unlink(missing_ok=True)
    # Files with other names belong to somebody, and stay.
    before = [
        old for old in sorted(server.folder.glob(f"*{server.suffix}")) if NAME.fullmatch(old.name) and old != path
    ]
    for old in before[: max(0, len(before) + 1 - int(keep))]:
        old.unlink()
        checksum_of(old).unlink(missing_ok=True)
    for left in server.folder.glob("*.part"):
        if time.time() - left.stat().st_mtime > STALE:
            left.unlink()
    print(f"Wrote {shown(path)}", flush=True)
    return path


def whole(name):
    """Return the path of a backup. Raises Failure if the file does not have its checksum."""
    path = ROOT / Path(name).expanduser()
    if not path.is_file():
        raise Failure(f"there is no file {path}", "name one of: make backups")
    checksum = checksum_of(path)
    if not checksum.is_file():
        names = [shlex.quote(str(name)) for name in (path.parent, path.name, checksum.name)]
        raise Failure(f"{path} has no checksum", "if you trust it: cd {} && sha256sum -- {} >{}".format(*names))
    # sha256sum puts a backslash in front if it had to escape the name.
    wanted = checksum.read_text().partition(" ")[0].strip().lstrip("\\")
    if digest(path) != wanted:
        problem = f"{path} has changed since it was written: its checksum is not the one in {checksum.name}"
        raise Failure(problem, "take another one of: make backups")
    return path
