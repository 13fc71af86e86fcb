"""What an update writes: nothing but a function of the project's last commit, the old wheels in it, and the new ones.

So an update that was interrupted is told from a user's own change, and completed by running it again.
"""

import configparser
import functools
import hashlib
import io
import re
import subprocess
import tempfile
import zipfile
from pathlib import Path

from django_compose_stack.scaffold.locks import FOLDER
from django_compose_stack.services import blocks, definition

STACK = "django_compose_stack"
# In the wheel of the stack: what an update merges, and whether that must be in the project already.
MANAGED = {
    f"{STACK}/starter/managed/": False,
    f"{STACK}/starter/debug/": True,
    f"{STACK}/scaffold/production/": True,
    # Where older versions have these files.
    f"{STACK}/production/starter/": True,
}
# Where a project has the first, it gets those that a new version adds to them.
PRODUCTION = "compose.prod.yaml"
# What `init` has written instead: files under names that it noted, from templates whose gaps it filled.
INITIALIZED = f"{FOLDER}/project.ini"
TEMPLATES = f"{STACK}/scaffold/templates/init/"
# What names the wheels and their hashes.
LOCKS = re.compile(
    r"pyproject\.toml|Pipfile|(.*/)?[\w.-]+\.lock|(.*/)?[\w.-]*requirements[\w.-]*\.txt|requirements/.+\.txt"
)


class Plan:
    """changes: {path: bytes, or None to delete}, in the order of writing. The others: paths, for the report."""

    def __init__(self):
        self.changes = {}
        self.conflicts, self.kept = [], []


def make_plan(head, new_wheels):
    """Return the Plan. head: {path: bytes} of the last commit. new_wheels: {file name: bytes}."""
    old_wheels = wheels_of(head)
    plan = Plan()
    plan.changes.update((f"{FOLDER}/{name}", content) for name, content in new_wheels.items())
    old, new = with_services(managed(old_wheels, head), managed(new_wheels, head), old_wheels, new_wheels, head)
    labels = ["yours", f"version {version(old_wheels)}", f"new version {version(new_wheels)}"]
    for path in sorted({*old, *new}):
        merge(plan, path, old.get(path), head.get(path), new.get(path), labels, head)
    names = {}
    for before in old_wheels:
        (after,) = [name for name in new_wheels if package(name) == package(before)]
        names.update({before: after, digest(old_wheels[before]): digest(new_wheels[after])})
    # Last, because a server that runs installs a changed lock: by then all that it names is there.
    for path in sorted(filter(LOCKS.fullmatch, head), key=lambda path: (path != "pyproject.toml", path)):
        plan.changes[path] = replace(head[path], names)
    plan.changes.update((f"{FOLDER}/{name}", None) for name in old_wheels if name not in new_wheels)
    plan.changes = {path: content for path, content in plan.changes.items() if content != head.get(path)}
    return plan


def wheels_of(head):
    """Return {file name: bytes} of the wheels in a commit."""
    pattern = re.compile(rf"{re.escape(FOLDER)}/({STACK}|django_fast_reload)-\S+\.whl")
    return {Path(path).name: head[path] for path in filter(pattern.fullmatch, head)}


def managed(wheels, head):
    """Return {path in a project: (bytes, whether only where it is there already)} of what a version manages."""
    (name,) = [name for name in wheels if name.startswith(f"{STACK}-")]
    with zipfile.ZipFile(io.BytesIO(wheels[name])) as archive:
        return {
            path: (archive.read(entry), is_optional) for path, entry, is_optional in places(archive.namelist(), head)
        }


def with_services(old, new, old_wheels, new_wheels, head):
    """Return what both versions manage as it is in a project that has the services of this one.

    Then their blocks are merged like everything else, and a change beside one is no conflict.
    """
    theirs, ours = services_of(old_wheels), services_of(new_wheels)
    known = {**theirs, **ours}
    text = functools.lru_cache(None)(lambda path: head[path].decode(errors="replace") if path in head else None)
    # Where `init` added the stack, the Compose file is the project's own.
    names = [] if INITIALIZED in head else known
    added = [name for name in names if blocks.has(theirs.get(name, known[name]), text)]
    return completed(old, {**known, **theirs}, added), completed(new, {**theirs, **ours}, added)


def completed(found, services, added):
    files = {path: content.decode() for path, (content, _) in found.items()}
    done = blocks.complete(services, added, files)
    return {path: (done[path].encode(), is_optional) for path, (_, is_optional) in found.items()}


def services_of(wheels):
    (name,) = [name for name in wheels if name.startswith(f"{STACK}-")]
    with zipfile.ZipFile(io.BytesIO(wheels[name])) as archive:
        return definition.of_wheel(archive)


def places(entries, head):
    """Yield (path in the project, entry of the wheel, whether only where it is there already)."""
    own = {f"{STACK}/starter/managed/.stack/__main__.py": f"{FOLDER}/__main__.py"}
    if INITIALIZED in head:
        noted = configparser.ConfigParser(interpolation=None)
        noted.read_string(head[INITIALIZED].decode())
        names = {name: value for section in noted.sections() for name, value in noted.items(section)}
        own[f"{TEMPLATES}compose.yaml-tpl"] = names.get("compose")
        own[f"{TEMPLATES}Dockerfile-tpl"] = names.get("dockerfile")
        own[f"{TEMPLATES}Makefile-tpl"] = "Makefile"
    for entry in entries:
        if own.get(entry):
            yield own[entry], entry, True
            continue
        for folder, is_optional in MANAGED.items():
            if entry.startswith(folder) and not (INITIALIZED in head and not is_optional):
                yield entry[len(folder) :], entry, is_optional


def package(name):
    return name.partition("-")[0]


def version(wheels):
    return min(wheels).split("-")[1]


def digest(content):
    return hashlib.sha256(content).hexdigest()


def replace(content, names):
    for before, after in names.items():
        content = content.replace(before.encode(), after.encode())
    return content


def merge(plan, path, old, mine, new, labels, head):
    """Decide on one file. old and new: (bytes, is_optional) or None. mine: bytes, or None where the user has none."""
    base = old and old[0]
    theirs = new and new[0]
    if mine is None:
        # What was there and is gone, the user has deleted.
        is_wanted = new and (not new[1] or (PRODUCTION in head and path != PRODUCTION and not path.startswith(".")))
        if base is None and is_wanted:
            plan.changes[path] = theirs
    elif theirs in (base, mine):
        return
    elif base is None or (theirs is None and mine != base) or not is_derived(mine, base):
        plan.kept.append(path)
    elif mine == base:
        plan.changes[path] = theirs
    else:
        plan.changes[path], conflicts = merge_file(mine, base, theirs, labels)
        if conflicts:
            plan.conflicts.append(path)


def is_derived(mine, base):
    """Say whether a file was made from the stack's: at least half of its lines are still there."""
    lines = set(base.splitlines())
    return 2 * len(lines & set(mine.splitlines())) >= len(lines)


def merge_file(mine, base, theirs, labels):
    """Return the merged bytes, and whether lines overlap; those stand between markers."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, content in (("mine", mine), ("base", base), ("theirs", theirs)):
            paths.append(Path(folder) / name)
            paths[-1].write_bytes(content)
        command = ["git", "-c", "merge.conflictStyle=merge", "merge-file", "-p"]
        command += [word for label in labels for word in ("-L", label)]
        done = subprocess.run([*command, *map(str, paths)], cwd=folder, stdout=subprocess.PIPE)
    if done.returncode > 127 or done.returncode < 0:
        raise OSError(f"git merge-file ended with {done.returncode}")
    return done.stdout, done.returncode > 0
