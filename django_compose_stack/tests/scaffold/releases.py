"""Versions of the stack to update from and to: made from the sources, with some files changed."""

from pathlib import Path

from django_compose_stack.scaffold import starter, wheel
from django_compose_stack.tests import ROOT

STACK = "django_compose_stack"


def make(version, edits=(), requires=()):
    """Return {file name: bytes} of both wheels of a version.

    edits: {file in the stack's package, such as starter/managed/Makefile: (old, new) text, bytes, or None to leave it
    out}. requires: what the stack needs besides.
    """
    found = {}
    for package in wheel.PACKAGES:
        folder = ROOT / package
        project = wheel.read_project(folder / "pyproject.toml")
        files = {name: (folder / name).read_bytes() for name in wheel.sources(folder)}
        for name in {"__init__.py", "package.py"} & set(files):
            files[name] = files[name].replace(project["version"].encode(), version.encode())
        project["version"] = version
        if package == STACK:
            for kind in starter.KINDS:
                files.update((f"starter/{kind}/{name}", content) for name, content in starter.contents(kind).items())
            change(files, dict(edits))
            project["dependencies"] += requires
        name, content = wheel.pack(package, project, files, (ROOT / "LICENSE").read_bytes())
        found[name] = content
    return found


def change(files, edits):
    for name, edit in edits.items():
        if edit is None:
            del files[name]
        elif isinstance(edit, bytes):
            files[name] = edit
        else:
            old, new = (text.encode() for text in edit)
            assert files[name].count(old) == 1, (name, old)
            files[name] = files[name].replace(old, new)


def write(folder, wheels):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in wheels.items():
        (folder / name).write_bytes(content)
    return folder


# Releases that are kept as they were, to update from. 0.9.0 was never published: its files differ as those of an early
# version would, in their text, their names and their places in the wheel. It cannot be made from the sources of now.
KEPT = Path(__file__).parent / "kept"


if __name__ == "__main__":
    write(KEPT / "1.0.0", make("1.0.0"))
