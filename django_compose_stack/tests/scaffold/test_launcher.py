"""python3 .stack, where a project holds only the wheels."""

import os
import shutil
from pathlib import Path

import pytest

from django_compose_stack.tests.scaffold.conftest import Project, run

PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
OLD_PYTHONS = sorted(PYENV.glob("versions/3.[89].*/bin/python"))


@pytest.fixture
def project(made, tmp_path):
    shutil.copytree(made.path, tmp_path / "shop", symlinks=True)
    return Project(tmp_path / "shop")


def wheel(project, name):
    (path,) = project.path.glob(f".stack/{name}-*.whl")
    return path


@pytest.mark.parametrize("name", ["django_compose_stack", "django_fast_reload"])
def test_wheel_with_one_changed_byte_is_refused(project, name):
    path = wheel(project, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    done = project.stack("help", status=1)

    problem = f"{path} is not the file whose hash the lock has"
    assert done.stderr == f"{problem}. Bring both back: git checkout .stack requirements.txt\n"


def test_missing_wheel_is_said(project):
    wheel(project, "django_compose_stack").unlink()

    assert "has no wheel of django-compose-stack" in project.stack("help", status=1).stderr


@pytest.mark.parametrize("python", OLD_PYTHONS, ids=lambda path: path.parent.parent.name)
def test_doctor_runs_under_an_old_python_with_nothing_installed(project, python):
    """It may find that this machine has no newer Python; what counts is that each check runs."""
    done = run(python, "-BIS", ".stack", "doctor", cwd=project.path, status=None, MODE="native")

    assert done.stderr == ""
    assert "failed: " not in done.stdout
    assert "No problem found." in done.stdout or "Problem: " in done.stdout
    assert project.git("status", "--porcelain", "--ignored", "--untracked-files=all").count("A ") == len(
        project.git("ls-files").splitlines()
    )
