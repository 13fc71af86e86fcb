"""The wheel alone, with each Django and Python that it is for.

FAST_RELOAD_VERSIONS=all runs this whole suite in each environment, which takes many minutes; else a part of it does.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .environments import UV, build_wheel, source_copy, uv
from .site import IS_INSTALLED

HERE = Path(__file__).resolve().parent
DJANGOS, PYTHONS = ("5.2", "6.0", "6.1"), ("3.12", "3.13", "3.14")
PART = ["test_startproject.py", "test_barrier.py"]

pytestmark = pytest.mark.skipif(IS_INSTALLED, reason="this suite is run by another")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(source_copy(folder), folder / "dist")


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """A copy of the tests, from which the sources beside them can't be imported."""
    folder = tmp_path_factory.mktemp("suite") / "server_tests"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def find_python(version):
    command = [UV or "uv", "python", "find", "--no-python-downloads", "--system", version]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout.strip()
    # pyenv's shims refuse versions that are not selected.
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found = sorted(root.glob(f"versions/{version}.*/bin/python"))
    return found[-1] if found else pytest.skip(f"there is no Python {version}")


@pytest.mark.parametrize("python_version", PYTHONS)
@pytest.mark.parametrize("django_version", DJANGOS)
def test_the_wheel_alone(wheel, suite, tmp_path, django_version, python_version):
    python = tmp_path / "env/bin/python"
    uv("venv", "--quiet", "--python", find_python(python_version), tmp_path / "env")
    packages = [wheel, f"Django=={django_version}.*", "pytest", "pytest-xdist"]
    uv("pip", "install", "--quiet", "--prerelease=if-necessary", "--python", python, *packages)
    tests = [suite] if os.environ.get("FAST_RELOAD_VERSIONS") == "all" else [suite / name for name in PART]
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "DJANGO", "PYTHONPATH"))}

    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses=2", "--dist=loadfile", *tests],
        cwd=suite.parent, env={**clean, "FAST_RELOAD_INSTALLED": "1"}, capture_output=True, text=True,
    )  # fmt: skip

    print(done.stdout[-500:])
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
