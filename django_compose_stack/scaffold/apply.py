"""Brings this version into a project: the part of an update that the new version does itself."""

import io
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import ROOT
from django_compose_stack.scaffold import starter
from django_compose_stack.scaffold.locks import FOLDER
from django_compose_stack.scaffold.merge import make_plan, version, wheels_of

NAMED = 8  # files that a message names


def main(paths):
    """Merge the version of these two wheels into the project, report, and return the exit status."""
    try:
        return apply({Path(path).name: Path(path).read_bytes() for path in paths})
    except Failure as failure:
        print(f"stack: {failure}", file=sys.stderr)
    except OSError as error:
        print(f"stack: {error}. What is written stays; run the update again to complete it", file=sys.stderr)
    return 1


def apply(wheels):
    head = Commit()
    old_wheels = wheels_of(head)
    if len(old_wheels) != len(wheels):
        raise Failure(
            f"the last commit has {len(old_wheels)} wheels in .stack, not {len(wheels)}",
            "git add --force .stack && git commit",
        )
    plan = make_plan(head, wheels)
    refuse_dirty(plan, head)
    left = {path: content for path, content in plan.changes.items() if now(path) != content}
    for path, content in left.items():
        write(path, content)
    return report(plan, left, head, old_wheels, wheels)


def git(*words):
    done = subprocess.run(["git", *words], cwd=str(ROOT), capture_output=True)
    if done.returncode:
        raise Failure(f"git {words[0]} failed:\n{done.stderr.decode(errors='replace').strip()}", "Fix what it says")
    return done.stdout


class Commit(Mapping):
    """{path: bytes} of the ordinary files below the project's folder in the last commit, read when asked for."""

    def __init__(self):
        entries = [entry.partition(b"\t") for entry in git("ls-tree", "-r", "-z", "HEAD").split(b"\0") if entry]
        self.blobs = {os.fsdecode(path): info.split()[2] for info, _, path in entries if info.startswith(b"100")}

    def __getitem__(self, path):
        return git("cat-file", "blob", self.blobs[path].decode())

    def __contains__(self, path):
        return path in self.blobs

    def __iter__(self):
        return iter(self.blobs)

    def __len__(self):
        return len(self.blobs)


def now(path):
    """Return what a file holds; None where there is none."""
    place = ROOT / path
    return place.read_bytes() if place.is_file() else None


def refuse_dirty(plan, head):
    """Raise Failure where a file has changes that neither the last commit nor this update has made."""
    changed = {
        os.fsdecode(path) for path in git("diff", "--name-only", "--relative", "-z", "HEAD").split(b"\0") if path
    }
    changed.update(path for path in plan.changes if path not in head and now(path) is not None)
    foreign = sorted(path for path in changed if path not in plan.changes or now(path) != plan.changes[path])
    if foreign:
        names = ", ".join(foreign[:NAMED]) + (f" and {len(foreign) - NAMED} more" if foreign[NAMED:] else "")
        raise Failure(f"{names} has changes that are not committed", "git commit, or git stash, then run this again")


def write(path, content):
    """Write or delete one file in one step, so that a file is never half of a version."""
    place = ROOT / path
    if content is None:
        place.unlink()
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    new.write_bytes(content)
    if place.exists():
        new.chmod(place.stat().st_mode & 0o7777)
    elif path in starter.EXECUTABLE:
        new.chmod(0o755)
    new.replace(place)


def report(plan, left, head, old_wheels, wheels):
    old, new = version(old_wheels), version(wheels)
    if not plan.changes:
        print(f"Nothing to do: this project has version {new} already.")
        return 0
    step = f"from {old} to {new}" if old != new else f"to another build of {new}"
    print(f"{'Updated' if left else 'Was updated already'} {step}, and is not committed yet.")
    groups = {
        "changed": [path for path, content in plan.changes.items() if content is not None and path in head],
        "added": [path for path in plan.changes if path not in head],
        "deleted": [path for path, content in plan.changes.items() if content is None],
        "yours, left as it is although the stack's changed": plan.kept,
    }
    for title, paths in groups.items():
        if paths:
            print(f"  {title}: {', '.join(sorted(paths))}")
    if requirements(old_wheels) != requirements(wheels):
        print("The packages need other packages than before: make lock")
    if plan.conflicts:
        print(
            f"stack: you and the new version have changed the same lines of {', '.join(plan.conflicts)}.\n"
            f"Fix: edit what stands between <<<<<<< yours and >>>>>>> new version {new} there, then commit.",
            file=sys.stderr,
        )
    added = {path if not path.startswith(f"{FOLDER}/") else FOLDER for path in groups["added"]} or {FOLDER}
    names = " ".join(map(shlex.quote, sorted(added)))
    print("What the settings need now: make check")
    print(f"Keep the update: git add --force {names} && git commit --all")
    print(f"Undo it:         git checkout . && git clean --force {names}")
    return 1 if plan.conflicts else 0


def requirements(wheels):
    """Return what the wheels need, sorted lines of their metadata."""
    lines = []
    for content in wheels.values():
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            lines += re.findall(r"^Requires-Dist: .*", archive.read(name).decode(), re.M)
    return sorted(lines)
