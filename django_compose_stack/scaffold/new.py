"""python3 .stack new DIR: makes a project, whole or not at all, and a git repository with its files staged."""

import os
import re
import shutil
import sys
from pathlib import Path

from django_compose_stack.host.process import Failure, output, run, say
from django_compose_stack.scaffold import locks, starter, wheel

# pip refuses a project that needs one of its own name.
TAKEN = set(re.findall(r'^    "([\w-]+)', starter.template("pyproject.toml"), re.M))


def main(target):
    """Make a project in a folder that does not exist or is empty. Raises Failure; then nothing is left behind."""
    folder = (Path.cwd() / Path(target).expanduser()).resolve()
    check(folder)
    name = project_name(folder.name)
    # A folder beside it, so that it takes its place in one step.
    unfinished = folder.with_name(f".{folder.name}.unfinished-{os.getpid()}")
    try:
        write(unfinished, files(name, folder.name))
        is_repository = stage(unfinished, folder)
        put(unfinished, folder)
    except OSError as error:
        raise Failure(f"{folder} could not be made: {error.strerror or error}", "Choose another DIR") from error
    finally:
        shutil.rmtree(str(unfinished), ignore_errors=True)
    print(f"Made {folder}. Next:\n\n    cd {quoted(target)}")
    print('    git commit -m "Begin"\n    make up' if is_repository else "    make up")


def check(folder):
    """Raise Failure where no project can be made in that folder."""
    if folder.is_dir() and any(folder.iterdir()):
        raise Failure(
            f"{folder} is not empty", "Choose a DIR that does not exist, or: make init, to add the stack to it"
        )
    if folder.exists() and not folder.is_dir():
        raise Failure(f"{folder} is not a folder", "Choose a DIR that does not exist")
    if not folder.parent.is_dir():
        raise Failure(f"{folder.parent} does not exist", f"mkdir -p {quoted(folder.parent)}")
    if not os.access(str(folder.parent), os.W_OK | os.X_OK):
        raise Failure(f"you may not write to {folder.parent}", "Choose a DIR elsewhere")
    if os.name == "posix" and ":" in str(folder):
        raise Failure(f"{folder} has a colon, which neither PATH nor a bind mount can hold", "Choose another DIR")
    if starter.SOURCE and starter.SOURCE in folder.parents:
        raise Failure(f"{folder} lies in this clone", f"make new DIR=../{folder.name}")


def project_name(text):
    """Return the name of a project in a folder of that name: what Compose makes of it, for Python's packages too.

    Raises Failure where nothing is left of it.
    """
    name = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    if not re.sub(r"[^a-z0-9]", "", text.lower()):
        raise Failure(
            f"Compose calls a project after its folder, and {text!r} has no letter a to z and no digit",
            "Choose a DIR that has one",
        )
    if name in TAKEN:
        name = f"{name}-project"
    if name != text:
        say(f"pyproject.toml calls the project {name}: a to z, 0 to 9, - and _ are allowed, and the name of no package")
    return name


def files(name, title):
    """Return {path: bytes} of a new project."""
    wheels = wheel.contents()
    found = starter.contents("managed", "seeds")
    for path, content in starter.contents("locks").items():
        found[path] = locks.add(content.decode(), wheels).encode()
    readme = starter.template("README.md").replace("@TITLE@", title)
    project = starter.template("pyproject.toml").replace("@NAME@", name).replace("@SOURCES@", locks.sources(wheels))
    found.update({"README.md": readme.encode(), "pyproject.toml": project.encode()})
    found.update((f"{locks.FOLDER}/{path}", content) for path, content in wheels.items())
    return found


def write(folder, contents):
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if name in starter.EXECUTABLE:
            path.chmod(path.stat().st_mode | 0o111 & ~mask())


def mask():
    value = os.umask(0)
    os.umask(value)
    return value


def stage(unfinished, folder):
    """Make a git repository with every file staged; say so where that is not done. Returns whether it was."""
    git = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    if not shutil.which("git"):
        say("git is not installed, so this is no repository yet. Later: git init && git add --all")
        return False
    outer = output("git", "rev-parse", "--show-toplevel", cwd=folder.parent, env=git)
    if outer:
        say(f"{folder} lies in the repository {outer}; its files are yours to add there")
        return False
    # Forced: rules of this user's own, such as *.whl, would leave out files that the project needs.
    for words in (["init"], ["add", "--all", "--force"]):
        done = run("git", *words, "--quiet" if words == ["init"] else ".", cwd=unfinished, env=git)
        if done.returncode:
            raise Failure(f"git {words[0]} failed", "Fix what is said above, then run this again")
    return True


def put(unfinished, folder):
    """Let the finished folder take its place."""
    if not folder.exists():
        unfinished.rename(folder)
        return
    # Not replaced: a shell may stand in it.
    for path in sorted(unfinished.iterdir()):
        path.rename(folder / path.name)


def quoted(path):
    import shlex

    return shlex.quote(str(path)) if sys.platform != "win32" else f'"{path}"'
