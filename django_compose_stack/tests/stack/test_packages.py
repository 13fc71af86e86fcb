"""Setuptools, which makes editable installs, and the builder of wheels agree on what belongs to a package."""

import shutil
import zipfile

import pytest

from django_compose_stack.scaffold import wheel
from django_compose_stack.tests import ROOT
from django_compose_stack.tests.stack.checkout import run


@pytest.fixture(scope="module", autouse=True)
def engine():
    """Replace the fixture that asks for an engine: none is needed here."""


@pytest.mark.parametrize("package", wheel.PACKAGES)
def test_setuptools_finds_the_same_files(package, tmp_path):
    shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    name, content = wheel.wheel(ROOT / package)
    (tmp_path / name).write_bytes(content)

    run("uv", "build", "--quiet", "--wheel", f"--out-dir={tmp_path / 'theirs'}", str(tmp_path / package))

    assert members(tmp_path / "theirs" / name) == members(tmp_path / name)


def members(path):
    """Return the files of a wheel but for its own and those of the starter, which come from outside the package."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    own = ("django_compose_stack/starter/",)
    return sorted(name for name in names if ".dist-info/" not in name and not name.startswith(own))
