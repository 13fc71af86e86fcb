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
NAME = re.compile(r"\d{4}-\d\d-\d\d-\d{6}\.dump")


def stamp():
    return time.strftime("%Y-%m-%d-%H%M%S")


def shown(path):
    return path.relative_to(ROOT) if ROOT in path.parents else path


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
    path = server.folder / f"{stamp()}.dump"
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        server.folder.mkdir(parents=True, exist_ok=True)
        # Mode 0600: a dump holds everything.
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            # The lightest compression takes a third of the time of the usual one, and has the same checksums.
            dump = ["pg_dump", "--format=custom", "--compress=1", "--username", server.admin, server.database]
            if server.run(*dump, stdout=file).returncode:
                raise Failure("pg_dump failed, see above; no backup was written", "make doctor")
            os.fsync(file.fileno())
        with part.open("rb") as file:
            server.output("pg_restore", "--list", stdin=file)
        # In the format of sha256sum, which can check it too.
        path.with_suffix(".dump.sha256").write_text(f"{digest(part)}  {path.name}\n")
        part.rename(path)
    except OSError as error:
        problem = f"{shown(part)} cannot be written: {error.strerror}; no backup was written"
        raise Failure(problem, "see who owns that folder, and whether its disk has room: ls -ld, df") from error
    finally:
        part.unlink(missing_ok=True)
    # Files with other names belong to somebody, and stay.
    before = [old for old in sorted(server.folder.glob("*.dump")) if NAME.fullmatch(old.name) and old != path]
    for old in before[: max(0, len(before) + 1 - int(keep))]:
        old.unlink()
        old.with_suffix(".dump.sha256").unlink(missing_ok=True)
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
    checksum = path.with_suffix(path.suffix + ".sha256")
    if not checksum.is_file():
        names = [shlex.quote(str(name)) for name in (path.parent, path.name, checksum.name)]
        raise Failure(f"{path} has no checksum", "if you trust it: cd {} && sha256sum -- {} >{}".format(*names))
    # sha256sum puts a backslash in front if it had to escape the name.
    wanted = checksum.read_text().partition(" ")[0].strip().lstrip("\\")
    if digest(path) != wanted:
        problem = f"{path} has changed since it was written: its checksum is not the one in {checksum.name}"
        raise Failure(problem, "take another one of: make backups")
    return path
