"""The virtual environment: found Python, installed lock, what heals."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import BASE_PYTHON, TIMEOUT, processes

PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
# What the Python of the host compiles. The doctor needs 3.9.
HOST_SIDE = [
    "cli.py",
    "data",
    "dependencies.py",
    "development.py",
    "host",
    "native",
    "production",
    "scaffold",
    "share.py",
]
INSTALLED = "import importlib.metadata as m; print(sorted(d.name for d in m.distributions()))"


def pyenv(version):
    """Return the newest Python of a minor version that pyenv has; skip the test where it has none."""
    found = sorted(PYENV.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"pyenv has no Python {version}")
    return found[-1]


def packages(checkout):
    return checkout("python", "-c", INSTALLED).stdout


def without(lock, package):
    """Return a lock's text without one package."""
    return re.sub(rf"^{package}==.*(\n    .*)*\n", "", lock, flags=re.M)


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_installed_twice_and_nothing_asked_of_the_network(used):
    stamp = used.path / ".venv/.native"
    before = stamp.stat().st_mtime_ns

    result = used("true", env={"UV_OFFLINE": "1", "UV_CACHE_DIR": "/nonexistent", "PATH": "/usr/bin:/bin"})

    assert (result.stdout, result.stderr) == ("", "")
    assert stamp.stat().st_mtime_ns == before


def test_changed_lock_is_installed(checkout):
    lock = checkout.path / "requirements/native.txt"
    full = lock.read_text()
    assert "'pytest-xdist'" in packages(checkout)

    lock.write_text(without(full, "pytest-xdist"))
    assert "'pytest-xdist'" not in packages(checkout)
    lock.write_text(full)
    assert "'pytest-xdist'" in packages(checkout)


def test_lock_that_cannot_be_installed_leaves_what_was(checkout):
    lock = checkout.path / "requirements/native.txt"
    full = lock.read_text()
    checkout("true")

    lock.write_text(full + "asgiref==0.0.1 --hash=sha256:" + "0" * 64 + "\n")
    message = checkout("true", status=1).stderr
    lock.write_text(full)

    assert "could not install requirements/native.txt" in message
    assert checkout("true", env={"UV_OFFLINE": "1"}).stderr == ""


def test_wrong_hash_is_refused_and_what_runs_can_be_ended(checkout):
    lock = checkout.path / "requirements/native.txt"
    checkout("true")
    lock.write_text(re.sub("(?<=sha256:)....", "0000", lock.read_text()))
    shutil.rmtree(checkout.path / ".venv")

    message = checkout("true", status=1).stderr
    checkout("down")

    assert processes(checkout.path) == {}

    assert "Hash mismatch" in message
    assert "Fix: Correct the error above, then try again." in message


def test_renamed_checkout_heals_while_its_server_runs(checkout):
    checkout.query("create table kept (v int); insert into kept values (42)")

    checkout.path = checkout.path.rename(checkout.path.with_name("renamed"))

    assert checkout.query("select v from kept") == "42"
    assert checkout.read(".venv/bin/pytest").startswith(f"#!{checkout.path}/.venv/bin/python\n")
    assert checkout("pytest", "--version").stdout.startswith("pytest ")
    # The server loads libraries from where its programs are; they are not where they were.
    assert checkout.query("do $$ begin end $$; select 1") == "1"


@pytest.mark.parametrize(
    "break_it",
    [
        lambda venv: (venv / "bin/python").unlink(),
        lambda venv: ((venv / "bin/python").unlink(), (venv / "bin/python").symlink_to("/gone")),
        lambda venv: ((venv / "bin/python").unlink(), (venv / "bin/python").touch(mode=0o755)),
        lambda venv: (venv / ".native").write_text("{"),
        lambda venv: shutil.rmtree(venv),
        lambda venv: (shutil.rmtree(venv), venv.write_text("not a folder")),
    ],
    ids=["no-python", "dangling", "empty-python", "stamp", "none", "file"],
)
def test_broken_environment_heals(used, break_it):
    break_it(used.path / ".venv")

    assert "creating .venv with Python 3." in used("pytest", "--version").stderr


def test_killed_installation_heals(checkout):
    process = checkout.popen("true")
    wait_until(lambda: (checkout.path / ".venv/lib").exists())
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    assert "'pytest-xdist'" in packages(checkout)


def test_interrupted_installation_heals(checkout):
    process = checkout.popen("true", start_new_session=True)
    wait_until(lambda: (checkout.path / ".venv/lib").exists())
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()

    assert "Traceback" not in errors
    assert process.returncode == -signal.SIGINT
    assert "'pytest-xdist'" in packages(checkout)


def test_several_at_once_make_one_environment_and_one_database(checkout):
    both = [checkout.popen("psql", "-Atc", "select 1") for _ in range(3)]

    results = [process.communicate(timeout=TIMEOUT) for process in both]

    assert [output for output, _ in results] == ["1\n"] * 3
    errors = "".join(errors for _, errors in results)
    assert errors.count("creating .venv") == errors.count("creating the database") == 1
    assert "waiting for another command" in errors


def test_without_uv_pip_makes_the_environment_and_uv_of_the_lock_updates_it(checkout, toolbox, tmp_path):
    (tmp_path / "python3").symlink_to(BASE_PYTHON)
    checkout.environment["PATH"] = f"{tmp_path}:/usr/bin:/bin"
    assert "installing the locked packages with pip" in checkout("true").stderr

    lock = checkout.path / "requirements/native.txt"
    lock.write_text(without(lock.read_text(), "pytest-xdist"))

    assert "'pytest-xdist'" not in packages(checkout)


def test_python_version_file_decides_and_its_change_counts(checkout):
    (checkout.path / ".python-version").write_text("3.13\n")
    checkout.environment["PYENV_ROOT"] = str(pyenv("3.13").parents[3])

    version = "import sys; print(sys.version_info[:2])"
    assert checkout("python", "-c", version).stdout == "(3, 13)\n"
    assert checkout("python", "manage.py", "check").stdout.startswith("System check identified no issues")
    (checkout.path / ".python-version").unlink()
    assert checkout("python", "-c", version).stdout == f"({BASE_PYTHON.resolve().name[-4:].replace('.', ', ')})\n"


def test_old_python_may_begin(checkout, tmp_path):
    (tmp_path / "python3").symlink_to(pyenv("3.8"))
    checkout.environment["PATH"] = f"{tmp_path}:{checkout.environment['PATH']}"

    assert "creating .venv with Python 3.1" in checkout("true").stderr


def test_missing_python_is_told_with_what_was_found(checkout, tmp_path):
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    old = pyenv("3.11")
    (tmp_path / "python3").symlink_to(old)
    checkout.environment |= {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYENV_ROOT": "/nonexistent"}

    message = checkout("true", status=1).stderr

    version = old.parents[1].name
    assert message.startswith(
        "stack: could not find Python 3.12 or newer. Found\n"
        f"  {shim}: does not run, or has no venv module\n"
        f"  {tmp_path}/python3: {version}\n"
        "Fix: Install it, with its venv module, then try again. For example: uv python install 3.13, "
    )


def test_no_python_at_all_is_told(checkout, tmp_path):
    if not shutil.which("make"):
        pytest.skip("there is no make here")
    for name in ("sh", "make", "awk"):
        (tmp_path / name).symlink_to(shutil.which(name))

    done = subprocess.run(
        ["make", "up"], cwd=checkout.path, env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "No Python 3.8 or newer was found. Install one, or type: docker compose up --build --wait" in done.stderr


@pytest.mark.parametrize("others", [[], ["python3"]])
def test_shim_of_pyenv_is_used_only_where_there_is_no_other_python(checkout, tmp_path, others):
    if not shutil.which("make"):
        pytest.skip("there is no make here")
    for name in ("sh", "make", "awk", *others):
        (tmp_path / name).symlink_to(shutil.which(name, path="/usr/bin:/bin") or BASE_PYTHON)
    shim = tmp_path / "shims/python3"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\necho shim >>{tmp_path}/calls\nexec {BASE_PYTHON} "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}:{tmp_path}"

    done = subprocess.run(["make", "help"], cwd=checkout.path, env={"PATH": path}, capture_output=True, text=True)

    assert done.returncode == 0
    assert (tmp_path / "calls").exists() == (not others)


def test_unusable_python_version_file_is_refused(checkout):
    (checkout.path / ".python-version").write_text("my-virtualenv\n")

    assert f"{checkout.path}/.python-version has value 'my-virtualenv'" in checkout("true", status=1).stderr


def test_modules_keep_to_python_3_8(checkout):
    old = pyenv("3.8")

    package = checkout.path / "django_compose_stack"
    modules = [path for name in HOST_SIDE for path in package.glob(name)]

    assert len(modules) == len(HOST_SIDE)
    subprocess.run([old, "-m", "compileall", "-q", *modules], check=True)
