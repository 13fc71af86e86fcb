"""Which files are the developer's, and by which symlinks."""

import os

import pytest

from ... import project_paths
from ...project_paths import ProjectPaths, resolve

FOLDERS = ("shop", "shop/forms", "shop/.cache/deep", "shop/__pycache__", "env/lib", "env/lib/site-packages/x", ".git/a")
LINKS = {"alias": "shop", "shop/up": "../shop/forms", "deep": "alias/up", "loop": "loop", "gone": "nowhere/x"}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "real"
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    (root / "env/pyvenv.cfg").touch()
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    (tmp_path / "project").symlink_to(root)
    return tmp_path / "project"


def test_each_folder_is_resolved_as_a_whole_path_is(root):
    """It is resolved from what is known of the folder above, whatever was asked for before."""
    names = [*FOLDERS, *LINKS, "deep/..", "alias/forms", "alias/up/.", "deep/new/more", "gone/y", "shop//forms"]
    for order in (names, names[::-1]):
        paths, seen = ProjectPaths(str(root)), {}
        paths.on_link = seen.__setitem__
        for name in order:
            found = paths.folders.get(f"{root}/{name}") or paths._look(f"{root}/{name}")
            assert (found.real, found.links) == resolve(f"{root}/{name}"), name
        paths.locate(f"{root}/deep/views.py")
        assert seen == resolve(f"{root}/deep")[1]


@pytest.mark.parametrize(
    ("path", "is_own", "is_code", "is_data"),
    [
        ("views.py", True, True, True),
        ("shop/forms/a.py", True, True, True),
        ("deep/a.py", True, True, True),
        ("shop/.cache/deep/a.py", False, False, True),
        ("shop/__pycache__/a.pyc", False, False, False),
        ("env/lib/a.py", False, False, False),
        ("env/lib/site-packages/x/a.py", False, False, False),
        (".git/a/b", False, False, True),
        ("../other.py", False, True, True),
        ("/usr/share/zoneinfo", False, True, False),
        (os.__file__, False, False, False),
        (project_paths.__file__, False, False, False),
    ],
)
def test_what_counts(root, path, is_own, is_code, is_data):
    paths, path = ProjectPaths(str(root)), os.path.join(root, path)

    found = [paths.locate(path), paths.locate(path, code=True), paths.locate(path, data=True)]

    assert [place is not None for place in found] == [is_own, is_code, is_data]


def test_a_further_folder_takes_one_look(root, monkeypatch):
    paths, looks, real = ProjectPaths(str(root)), [], os.path.realpath(root)
    paths.locate(f"{root}/shop/a.py")
    monkeypatch.setattr(project_paths.os.path, "islink", lambda path: looks.append(path) or False)
    monkeypatch.setattr(project_paths.os, "readlink", None)

    paths.locate(f"{root}/shop/forms/a.py")

    assert looks == [f"{real}/shop/forms"]
