"""The lock files: requirements.txt and requirements/*.txt, written from pyproject.toml by uv."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from django_compose_stack.development import in_web, native, web_container
from django_compose_stack.host.mode import is_inside, mode
from django_compose_stack.host.process import must, show
from django_compose_stack.host.project import LAUNCHER, ROOT

# Each group of dependencies in pyproject.toml, and its lock file.
LOCKS = {"": "requirements.txt", **{group: f"requirements/{group}.txt" for group in ("dev", "native", "prod")}}
# The oldest Python that the project supports; the lock holds for it and for every newer one.
PYTHON = "3.12"


def add(*words):
    """Add a package, or a service, to the project."""
    if words[0] == "--service":
        from django_compose_stack.services import command

        return command.add(*words[1:])
    lock("add", *words)


def remove(*words):
    """Remove a service from the project."""
    from django_compose_stack.services import command

    command.drop(*words[words[0] == "--service" :])


def lock(*words):
    """Write the lock files as `write` does with these words, then install what is locked."""
    write_locks(*words)
    install()


def write_locks(*words):
    in_web("python", LAUNCHER, "write-locks", *words)


def install():
    """Install the locked requirements where the server runs, and in the image."""
    if is_inside():
        return in_web("true")
    if mode() == "native":
        return native("true")
    show("docker", "compose", "build", "--quiet")
    if web_container():
        must("docker", "compose", "exec", "-T", "web", "as-owner", "true")


def write(*words):
    """Write the lock files, for every platform and Python that the project supports. Runs where uv is installed.

    add PACKAGE adds to pyproject.toml first. If a package cannot be resolved, all files stay as they are.
    """
    if os.environ.get("VIRTUAL_ENV"):
        # Otherwise uv may download a Python to add a package.
        os.environ["UV_PYTHON"] = f"{os.environ['VIRTUAL_ENV']}/bin/python"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        # The lock files name the wheels in .stack by their path from here.
        shutil.copytree(str(ROOT / LAUNCHER), str(work / LAUNCHER))
        shutil.copytree(str(ROOT / "requirements"), str(work / "requirements"))
        for name in ("pyproject.toml", "requirements.txt"):
            shutil.copy(str(ROOT / name), str(work / name))
        if words[:1] == ("add",):
            must("uv", "add", "--quiet", "--frozen", words[1], cwd=work)
            words = words[2:]
        compile_one = ["uv", "pip", "compile", "--quiet", "--universal", f"--python-version={PYTHON}"]
        compile_one += ["--generate-hashes", "--no-annotate", "--custom-compile-command=make lock"]
        for group, path in LOCKS.items():
            options = [f"--group={group}"] if group else []
            target = [f"--output-file={path}", *words, "pyproject.toml"]
            must(*compile_one, *options, *target, cwd=work, stdout=subprocess.DEVNULL)
        for name in ("pyproject.toml", *LOCKS.values()):
            # Overwritten, not replaced: a bind mount of a single file would keep the old one.
            shutil.copyfile(str(work / name), str(ROOT / name))
