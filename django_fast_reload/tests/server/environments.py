"""Environments with the package installed in each of the ways in which people install it."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from .site import PACKAGE, copy_package

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def make_environment(folder: Path) -> Path:
    """Make an environment that sees the packages of this one; return its interpreter."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (site_packages(folder / "bin/python") / "outer.pth").write_text("\n".join(packages))
    return folder / "bin/python"


def site_packages(python: Path) -> Path:
    return next((python.parent.parent / "lib").glob("*/site-packages"))


def uv(*arguments: str | Path) -> None:
    """Run uv, which may need a package index to get setuptools from."""
    if not UV:
        pytest.skip("uv is not installed")
    done = subprocess.run([UV, *arguments], capture_output=True, text=True)
    if "error sending request" in done.stderr or "dns error" in done.stderr:
        pytest.skip("there is no package index")
    assert done.returncode == 0, done.stderr


def source_copy(folder: Path) -> Path:
    """Copy the distribution, because a build leaves files behind."""
    copy_package(folder / "django_fast_reload")
    return folder / "django_fast_reload"


def build_wheel(source: Path, folder: Path) -> Path:
    uv("build", "--quiet", "--wheel", "--out-dir", folder, source)
    return next(folder.glob("*.whl"))


def set_version(source: Path, version: str) -> None:
    for name in ("package.py", "pyproject.toml"):
        text = (PACKAGE / name).read_text()
        assert '"1.0.0"' in text
        (source / name).write_text(text.replace('"1.0.0"', f'"{version}"'))
