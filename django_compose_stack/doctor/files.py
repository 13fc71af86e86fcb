"""Checks of the files of the checkout: line endings, owners, free space."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from django_compose_stack.doctor.stack import Finding, Findings, Stack

SKIPPED = {".git", ".venv", ".postgres", ".native", "node_modules", "__pycache__"}
MAX_FILES = 50_000
SPACE = 1_000_000_000  # bytes; an image of this stack needs about half of it
INODES = 10_000
FULL_DISK = (
    "Postgres stops if it cannot write, and builds fail.",
    "Free some space. What Docker uses: docker system df. To delete its build cache: docker builder prune",
)


def files(root: Path) -> Iterator[Path]:
    """Yield the files and folders of the project."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED]
        yield from (Path(folder, name) for name in [*folders, *names])


def check_line_endings(stack: Stack) -> Findings:
    """Check the files with scripts, which Linux starts by their first line."""
    paths = [stack.root / name for name in ("Dockerfile", "manage.py")]
    wrong = [path for path in paths if path.is_file() and b"\r\n" in path.read_bytes()]

    def apply() -> str:
        for path in wrong:
            path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
        return f"converted {listed(stack, wrong)} to Unix line endings"

    if wrong:
        yield Finding(
            "crlf",
            f"{listed(stack, wrong)} has Windows line endings (CRLF)",
            'Linux looks for a program whose name ends in a carriage return: "no such file or directory".',
            "make doctor FIX=1 converts it; then set your editor to LF",
            apply,
        )


def check_owners(stack: Stack) -> Findings:
    if os.name == "nt":
        return
    owner = stack.root.stat()
    foreign = [path for path in islice(files(stack.root), MAX_FILES) if path.lstat().st_uid != owner.st_uid]

    def apply() -> str:
        for path in foreign:
            os.lchown(path, owner.st_uid, owner.st_gid)
        return f"changed the owner of {len(foreign)} file{'s' * (len(foreign) > 1)} to uid {owner.st_uid}"

    if foreign:
        uids = sorted({path.lstat().st_uid for path in foreign})
        yield Finding(
            "foreign-owner",
            f"{listed(stack, foreign)} belongs to uid {', '.join(map(str, uids))}, this folder to uid {owner.st_uid}",
            "The server runs as the owner of the folder, and cannot change or replace them.",
            f"sudo chown -R {owner.st_uid}:{owner.st_gid} {stack.root}",
            apply if os.geteuid() == 0 else None,
        )
    if not os.access(stack.root, os.W_OK):
        yield Finding(
            "not-writable",
            f"you (uid {os.getuid()}) cannot write to {stack.root}, which belongs to uid {owner.st_uid}",
            "Backups, migrations and .env cannot be written.",
            f"sudo chown -R {os.getuid()}:{os.getgid()} {stack.root}",
        )


def check_space(stack: Stack) -> Findings:
    places = {"this folder": stack.root}
    engine = Path(stack.info.get("DockerRootDir") or "/nowhere")
    if engine.exists():
        places["the engine"] = engine
    for place, path in places.items():
        free = shutil.disk_usage(path).free
        inodes = os.statvfs(path) if hasattr(os, "statvfs") else None
        if free < SPACE:
            left = f"{free / 1e6:.0f} MB free"
        elif inodes and inodes.f_files and inodes.f_favail < INODES:
            left = f"only {inodes.f_favail} more files can be created"
        else:
            continue
        yield Finding("disk-full", f"the disk of {place} ({path}) is full: {left}", *FULL_DISK)


def listed(stack: Stack, paths: list[Path]) -> str:
    """Return the names of up to three files, and the number of the others."""
    names = ", ".join(str(path.relative_to(stack.root)) for path in paths[:3])
    return names + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
