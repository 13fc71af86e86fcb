"""python3 .stack update FROM: moves a project to another version of the stack. apply.py of that version does it."""

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import django_compose_stack
from django_compose_stack.host.process import Failure, must, output
from django_compose_stack.host.project import LAUNCHER, ROOT
from django_compose_stack.scaffold import starter, wheel

# Run in the project's folder, with the paths of the new wheels. Later versions keep to it.
APPLY = (
    "import sys; sys.path[:0] = sys.argv[1:]; sys.dont_write_bytecode = True\n"
    "from django_compose_stack.scaffold.apply import main; sys.exit(main(sys.argv[1:]))"
)


def main(origin):
    """Move this project to the version in a clone of the stack's repository, or in a folder with its two wheels."""
    if starter.SOURCE is not None:
        raise Failure(f"{ROOT} is the stack's own repository, not a project made from it", "git pull")
    if not list((ROOT / LAUNCHER).glob(f"{wheel.STACK}-*.whl")):
        raise Failure(f"{ROOT / LAUNCHER} has no wheel of the stack, so this is no project of it", "cd to a project")
    if not output("git", "rev-parse", "--verify", "HEAD"):
        raise Failure("the update needs a git repository with a commit, to merge and to be undone", "git commit first")
    with tempfile.TemporaryDirectory() as folder:
        wheels = gather((Path.cwd() / Path(origin).expanduser()).resolve(), Path(folder))
        new = version_of(wheels[0])
        if number(new) < number(django_compose_stack.__version__):
            raise Failure(
                f"{origin} has version {new}, and this project has {django_compose_stack.__version__} already",
                "To go back, git revert the commit that updated it",
            )
        must(sys.executable, "-BIS", "-c", APPLY, *map(str, wheels))


def gather(origin, folder):
    """Put the two wheels of FROM into a folder, and return their paths, sorted. Raises Failure where it has none."""
    if (origin / wheel.STACK / "pyproject.toml").is_file() and (origin / LAUNCHER).is_dir():
        # Built by the clone's own program, which knows what belongs into them.
        must(sys.executable, "-BIS", str(origin / LAUNCHER), "wheels", str(folder), cwd=origin)
    else:
        for place in (origin, origin / LAUNCHER):
            for path in place.glob("*.whl"):
                shutil.copy(str(path), str(folder))
            if list(folder.iterdir()):
                break
    found = sorted(path for package in wheel.PACKAGES for path in folder.glob(f"{package}-*.whl"))
    if [path.name.partition("-")[0] for path in found] != list(wheel.PACKAGES):
        names = ", ".join(path.name for path in found) or "none"
        raise Failure(
            f"{origin} must have one wheel of each of {' and '.join(wheel.PACKAGES)}; found: {names}",
            "Name a clone of the stack's repository, or a folder with both wheels",
        )
    for path in found:
        if not zipfile.is_zipfile(str(path)) or zipfile.ZipFile(str(path)).testzip():
            raise Failure(f"{path.name} of {origin} is damaged", "Get it again")
    return found


def version_of(path):
    return path.name.split("-")[1]


def number(version):
    """Return what versions are compared by, (1, 10, 0)."""
    return [int(part) for part in version.split(".") if part.isdigit()]
