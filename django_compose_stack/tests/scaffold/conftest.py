"""Projects that `new` makes, in temporary folders."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from django_compose_stack.tests import ROOT, STACK

# Neither this machine's git settings nor the repository that a hook runs in.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{who}_{what}": f"a{at}b.c"
        for who in ("AUTHOR", "COMMITTER")
        for what, at in (("NAME", " "), ("EMAIL", "@"))
    },
}


@pytest.fixture(autouse=True, scope="session")
def has_git():
    """Skip in the web container, where `make test` runs with Docker: these programs are the host's, and need git."""
    if not shutil.which("git"):
        pytest.skip("there is no git here")


def run(*command, cwd, status=0, **variables):
    """Return the finished process, its output as text, once its exit status is found to be `status`."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") and name not in ("MODE", "ARGS")
    }
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**own, **GIT, **variables}, capture_output=True, text=True, timeout=60
    )
    assert status in (done.returncode, None), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def new(target, cwd=ROOT, **options):
    return run(STACK[0], "-IS", ROOT / ".stack", "new", target, cwd=cwd, **options)


class Project:
    """A project in a folder, with git."""

    def __init__(self, path: Path):
        self.path = path

    def git(self, *words):
        return run("git", *words, cwd=self.path).stdout

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=Change")

    def stack(self, *words, **options):
        return run(*STACK, *words, cwd=self.path, **options)

    def read(self, name):
        return (self.path / name).read_text()

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def replace(self, name, old, new):
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A new project as `new` has left it; tests only read it."""
    project = Project(tmp_path_factory.mktemp("new") / "shop")
    project.output = new(project.path).stdout
    return project


@pytest.fixture(scope="session")
def committed(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("committed") / "shop")
    new(project.path)
    project.commit()
    return project


@pytest.fixture
def project(committed, tmp_path):
    """A project of version 1.0.0, as `new` makes it, committed."""
    shutil.copytree(committed.path, tmp_path / "shop", symlinks=True)
    project = Project(tmp_path / "shop")
    project.git("status")
    return project
