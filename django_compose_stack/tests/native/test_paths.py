"""Where the checkout lies: odd paths, long ones, disks that are full or read-only."""

import os
import subprocess

import pytest

from .conftest import needs_root, processes
from .test_postgres import KEPT
from .test_web import page

LONG = "/".join(["a-folder-with-a-rather-long-name-" + "x" * 60] * 4)  # 375 bytes
NAMES = {
    "spaces": "my  project ",
    "quote": "it's",
    "percent": "50% done%s",
    "unicode": "проект 🐘 é",
    "shell": 'a"b$HOME`id`\\n;&*',
    "dash": "-rf",
    "longer-than-a-socket": "x" * 120,
    "longer-than-a-shebang": LONG,
}


@pytest.mark.parametrize("name", NAMES)
def test_path_may_be(make_checkout, name):
    checkout = make_checkout(NAMES[name])

    checkout("up")

    assert page(checkout.port)[0] == 200
    # A script of the environment begins with the path of its Python, which the kernel must understand.
    assert checkout("pytest", "--version").stdout.startswith("pytest ")
    checkout("down")
    assert processes(checkout.path) == {}


def test_path_with_a_colon_is_refused(make_checkout):
    checkout = make_checkout("a:b")

    assert checkout("true", status=1).stderr == (
        f"stack: the path {checkout.path} contains a colon, which PATH cannot contain.\nFix: Rename the folder.\n"
    )


@pytest.fixture
def mount(tmp_path):
    """Return a function that mounts a disk on a new folder and returns that."""
    mounted = []

    def mount_on(*options):
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        subprocess.run(["mount", *options, folder], check=True)
        mounted.append(folder)
        return folder

    yield mount_on
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


@needs_root
def test_read_only_checkout_is_told_and_runs_what_needs_no_change(checkout, mount):
    checkout.query(KEPT)
    original = checkout.path
    folder = mount("--bind", str(original))
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)

    # It is another path, so the environment does not fit.
    checkout.path = folder
    message = checkout("true", status=1).stderr
    checkout.path = original

    assert "Read-only file system.\nFix: Native mode writes to .venv, .native and .postgres" in message
    assert checkout.query("select v from kept") == "42"


@needs_root
def test_full_disk_is_told_and_heals(checkout, mount):
    disk = mount("-t", "tmpfs", "-o", "size=400m", "tmpfs")
    checkout("python", "-c", "pass", env={"DATABASE_URL": "sqlite:///x"})
    subprocess.run(["cp", "-r", *(str(path) for path in checkout.path.iterdir()), str(disk)], check=True)
    checkout.path = disk
    checkout("true", env={"DATABASE_URL": "sqlite:///x"})
    space = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(b"\0" * (space.f_bavail * space.f_frsize - 20 * 1024**2))

    message = checkout("true", status=1).stderr
    filler.unlink()

    assert "No space left on device" in message or "Check free disk space" in message
    assert "Fix: " in message
    assert checkout.query("select 1") == "1"
    checkout("down")
