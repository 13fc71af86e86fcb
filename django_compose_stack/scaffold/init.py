"""init DIR: add the stack to an existing Django project.

It shows what it would write. It writes with --yes, or after a yes on a terminal, and git undoes it.
"""

import argparse
import difflib
import os
import shlex
import sys
from pathlib import Path

from django_compose_stack.host.process import Failure
from django_compose_stack.scaffold import detect, git, plan

USAGE = "python3 .stack init"
LONGEST = 10  # lines of the user's own files that may change


def main(*words):
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(prog=USAGE, description="Add the stack to an existing Django project.")
    parser.add_argument("folder", metavar="DIR", help="the project: the folder to which Docker files belong")
    parser.add_argument("--yes", action="store_true", help="write without asking")
    parser.add_argument("--dry-run", action="store_true", help="only show; the default without a terminal")
    parser.add_argument("--settings", default="", metavar="MODULE", help="the settings module of development")
    parser.add_argument("--python", default="", metavar="VERSION", help="the Python of the image, such as 3.13")
    parser.add_argument("--database", default="", choices=["postgres"], help="develop on Postgres instead")
    options = parser.parse_args([*words, *shlex.split(os.environ.get("ARGS", ""))])
    root = Path(options.folder).resolve()
    if not root.is_dir():
        raise Failure(f"{root} is no folder", "Name the folder of a Django project")
    if (root / ".stack/project.ini").exists():
        print(f"Nothing to do: {root} has the stack already (.stack/project.ini).")
        return 0
    git.require_clean(root)
    project = detect.examine(root, options.settings, options.python)
    require_python(project)
    made = plan.make(project, options.database)
    show(root, made)
    if not options.yes and (options.dry_run or not sys.stdin.isatty()):
        again = shlex.quote(options.folder)
        print(f"\nNothing is written yet. To write it: {USAGE} {again} --yes, with the options of now")
        return 0
    if not options.yes and input("\nWrite this? [y/N] ").strip().lower() not in ("y", "yes"):
        print("Nothing was written.")
        return 1
    write(root, made)
    print(f"\nWritten. Begin: cd {shlex.quote(str(root))} && {made.command} up\nUndo:  {made.undo}")
    return 0


def require_python(project):
    """Raise Failure where the project asks for a Python that the stack does not run on."""
    if project.python.version < detect.OLDEST:
        found, oldest = (".".join(map(str, each)) for each in (project.python.version, detect.OLDEST))
        raise Failure(
            f"{project.python.place} asks for Python {found}, and the stack needs {oldest} or newer in its image",
            f"If the project runs on it: {USAGE} {shlex.quote(str(project.root))} --python {oldest}. "
            f"{project.python.place} stays as it is",
        )


def show(root, made):
    print(f"{root}: {made.facts}\n\nNew files:")
    for name in sorted(made.files):
        print(f"  {name}")
    changed = 0
    for name, (old, new) in made.changes.items():
        lines = list(difflib.unified_diff(old.splitlines(True), new.splitlines(True), f"a/{name}", f"b/{name}"))
        changed += sum(line[:1] in "+-" and line[:3] not in ("+++", "---") for line in lines)
        shown = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        print(f"\n{''.join(shown)}", end="")
    print(f"\n{changed} lines of the project's own files change.")
    assert changed <= LONGEST
    if made.notes:
        print("\nTo know:")
        for note in made.notes:
            print(f"- {note[:1].upper()}{note[1:]}.")


def write(root, made):
    """Write the new files, none of which exists, then the changed ones."""
    for name, content in made.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
    for name, (_, new) in made.changes.items():
        (root / name).write_bytes(new.encode())
