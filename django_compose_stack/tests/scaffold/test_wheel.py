"""The wheels that projects carry: the same bytes everywhere, and whole."""

import base64
import hashlib
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from django_compose_stack.scaffold import starter, wheel
from django_compose_stack.tests import ROOT

NAMES = ["django_compose_stack-1.0.0-py3-none-any.whl", "django_fast_reload-1.0.0-py3-none-any.whl"]
BUILD = "import sys; from django_compose_stack.scaffold.wheel import build; build(sys.argv[1])"
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    wheel.build(folder)
    return sorted(folder.iterdir())


def digests(paths):
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)]


def pythons():
    """Return other Pythons of this machine that the program supports."""
    found = {path.parent.parent.name: path for path in PYENV.glob("versions/3.*/bin/python")}
    return [path for name, path in sorted(found.items()) if int(name.split(".")[1]) >= 8]


def test_both_wheels_are_written_under_their_versions(wheels):
    assert [path.name for path in wheels] == NAMES


def test_two_builds_are_equal(wheels, tmp_path):
    wheel.build(tmp_path)

    assert digests(tmp_path.iterdir()) == digests(wheels)


@pytest.mark.parametrize("python", pythons(), ids=lambda path: path.parent.parent.name)
def test_every_python_writes_the_same_bytes(wheels, tmp_path, python):
    subprocess.run([python, "-BS", "-c", BUILD, tmp_path], cwd=ROOT, check=True)

    assert digests(tmp_path.iterdir()) == digests(wheels)


def test_caches_and_leftovers_of_editors_stay_out(tmp_path):
    names = "a.py __pycache__/a.pyc tests/test_a.py bench/b.py x.egg-info/PKG-INFO .a.py.swp a.py~"
    for name in names.split():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    assert wheel.sources(tmp_path) == ["a.py"]


@pytest.mark.parametrize("package", wheel.PACKAGES)
def test_metadata_says_what_pyproject_says(wheels, package):
    project = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
    (path,) = [path for path in wheels if path.name.startswith(package)]
    with zipfile.ZipFile(path) as archive:
        lines = archive.read(f"{package}-{project['version']}.dist-info/METADATA").decode().splitlines()

    assert project["version"] == import_module(package).__version__
    assert f"Name: {project['name']}" in lines
    assert f"Requires-Python: {project['requires-python']}" in lines
    assert [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist")] == project["dependencies"]


def test_record_has_every_file_with_its_digest(wheels):
    for path in wheels:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
            rows = [line.split(",") for line in archive.read(record).decode().splitlines()]
            assert [row[0] for row in rows] == names
            for name, digest, size in rows[:-1]:
                content = archive.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
                assert (digest, size) == (f"sha256={expected}", str(len(content)))


def test_wheel_is_stored_and_has_one_date(wheels):
    for path in wheels:
        with zipfile.ZipFile(path) as archive:
            entries = {(entry.compress_type, entry.date_time, entry.external_attr) for entry in archive.infolist()}
        assert entries == {(zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), 0o100644 << 16)}


def test_wheel_of_the_stack_holds_the_files_of_a_new_project(wheels):
    folder = "django_compose_stack/starter/"
    with zipfile.ZipFile(wheels[0]) as archive:
        held = {name[len(folder) :]: archive.read(name) for name in archive.namelist() if name.startswith(folder)}

    assert held == {
        f"{kind}/{name}": content for kind in starter.KINDS for name, content in starter.contents(kind).items()
    }
    assert b"repository" not in held["managed/Makefile"].lower()


def test_program_in_a_wheel_builds_by_copying(wheels, tmp_path):
    (tmp_path / "copies").mkdir()
    code = "import sys; sys.path.insert(0, sys.argv[2]);" + BUILD
    subprocess.run(
        [sys.executable, "-IBS", "-c", code, tmp_path / "copies", wheels[0]], cwd=tmp_path, check=True, timeout=60
    )

    assert digests((tmp_path / "copies").iterdir()) == digests(wheels)
