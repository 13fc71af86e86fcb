"""Who runs it, and whom the files belong to."""

import grp
import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import NOBODY, needs_root, processes
from .test_postgres import KEPT
from .test_web import page

TAKEN = {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}
NAMELESS = next(uid for uid in range(1001, 60_000) if uid not in TAKEN)  # without a name, as in many containers
# What Docker's default profile does too: it allows no user namespace to a process in a chroot.
IN_CHROOT = 'mount --rbind / "$0" && exec chroot "$0" "$@"'

pytestmark = needs_root


def uids(checkout):
    """Return the users that the checkout's processes belong to."""
    found = set()
    for pid in processes(checkout.path):
        # Between the list and this look a process may have ended, as Postgres' own workers do.
        with suppress(FileNotFoundError):
            found.add(Path(f"/proc/{pid}").stat().st_uid)
    return found


@pytest.mark.parametrize("name", ["root", "nobody", "nameless"])
def test_everything_works_and_belongs_to_the_user(make_checkout, name):
    uid = {"root": 0, "nobody": NOBODY.pw_uid, "nameless": NAMELESS}[name]
    checkout = make_checkout(user=uid)

    checkout("up")
    checkout("python", "manage.py", "startapp", "blog")
    checkout("--test", "pytest", "-q", "apps/blog")

    assert page(checkout.port)[0] == 200
    assert uids(checkout) == {uid}
    assert checkout.foreign_files(uid) == []
    checkout("down")
    assert processes(checkout.path) == {}
    assert checkout.foreign_files(uid) == []


@pytest.mark.parametrize("owner", [NOBODY.pw_uid, NAMELESS])
def test_root_becomes_the_owner(make_checkout, owner):
    checkout = make_checkout(owner=owner)
    # As with sudo: it is root's home, and the owner may not read it.
    checkout.environment["HOME"] = str(Path.home())

    checkout("up")
    checkout("python", "manage.py", "startapp", "blog")

    assert checkout("id", "-u").stdout == f"{owner}\n"
    assert uids(checkout) == {owner}
    assert checkout.foreign_files(owner) == []
    checkout("down")
    assert processes(checkout.path) == {}


def test_root_in_a_folder_that_only_root_may_enter(make_checkout):
    checkout = make_checkout()
    checkout.path.parent.chmod(0o700)

    checkout("up")

    assert page(checkout.port)[0] == 200
    assert checkout.foreign_files(0) == []
    checkout("down")


def in_chroot(checkout, folder, *words):
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        IN_CHROOT,
        folder,
        "python3",
        "-IS",
        checkout.path / ".stack",
        "native",
        *words,
    ]
    return subprocess.run(command, env=checkout.environment, capture_output=True, text=True, timeout=120)


def test_root_where_user_namespaces_are_forbidden_and_back(make_checkout, tmp_path):
    checkout = make_checkout()
    checkout.path.parent.chmod(0o700)
    checkout.query(KEPT)
    checkout("stop")

    result = in_chroot(checkout, tmp_path, "psql", "-Atc", "select v from kept")
    owners = {Path(file).stat().st_uid for file in checkout.foreign_files(0)}
    outside = {Path(file).relative_to(checkout.path).parts[:2] for file in checkout.foreign_files(0)}
    in_chroot(checkout, tmp_path, "down")

    assert result.stdout == "42\n", result.stderr
    assert len(owners) == 1
    assert outside == {(".postgres", "data")}
    assert processes(checkout.path) == {}
    assert checkout.query("select v from kept") == "42"
    assert checkout.foreign_files(0) == []


def test_nameless_user_without_user_namespaces_is_told_what_to_do(make_checkout, tmp_path):
    checkout = make_checkout(owner=NAMELESS)

    result = in_chroot(checkout, tmp_path, "true")

    assert result.returncode == 1
    assert result.stderr.endswith(
        f"stack: user {NAMELESS} has no name in /etc/passwd, and this system forbids user namespaces.\n"
        "Fix: Run it as an ordinary user who has a name, or set DATABASE_URL to another database.\n"
    )


def test_checkout_of_another_user_is_told(make_checkout):
    checkout = make_checkout(owner=NAMELESS)
    checkout.user = NOBODY.pw_uid

    message = checkout("true", status=1).stderr

    assert message == (
        f"stack: {checkout.path}/.native: Permission denied.\n"
        "Fix: Native mode writes to .venv, .native and .postgres; run it as the owner of this folder.\n"
    )


def test_in_a_container(make_checkout, toolbox):
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True).returncode:
        if os.environ.get("CI"):
            pytest.fail("no Docker engine answers")
        pytest.skip("no Docker engine answers")
    checkout = make_checkout()
    script = 'n() { python3 -IS .stack native "$@"; }; n up && n --test pytest -q apps && n down'
    script += " && sort -u /proc/[0-9]*/cmdline"
    mounts = [f"--volume={checkout.path}:/project", f"--volume={toolbox.path}/cache:/cache"]
    image = ["--workdir=/project", "--env=UV_CACHE_DIR=/cache", "python:3.12-slim", "sh", "-c", script]

    result = subprocess.run(
        ["docker", "run", "--rm", f"--volume={toolbox.bin}/uv:/usr/bin/uv:ro", *mounts, *image],
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert result.returncode == 0, result.stderr
    assert "Running at http://127.0.0.1:8000\n" in result.stdout
    assert " passed" in result.stdout
    assert ".venv" not in result.stdout.partition(" passed")[2]
