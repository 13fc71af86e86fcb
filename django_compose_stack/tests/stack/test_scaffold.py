"""A project that `new` makes, on the engine and without it, from a fresh clone of it."""

import re
import shutil
import socket
import threading
from urllib.request import urlopen

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.scaffold import releases
from django_compose_stack.tests.stack.checkout import Checkout, run, wait_for

BUILD_TIMEOUT = 900  # seconds; no layer of an older build fits these wheels
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]


class Clone(Checkout):
    """A git clone of a project that `new` has made."""

    def write_files(self) -> None:
        original = self.path.with_name(f"{self.path.name}-original")
        run(*STACK, "new", str(original))
        run(*GIT, "commit", "--quiet", "--message=Begin", cwd=original)
        run("git", "clone", "--quiet", str(original), str(self.path))
        shutil.rmtree(original)


@pytest.fixture(scope="module")
def clone(engine, tmp_path_factory):
    """A clone that is up, by the plain command."""
    clone = Clone(tmp_path_factory.mktemp("new"))
    clone.compose("up", "--wait", timeout=BUILD_TIMEOUT)
    yield clone
    clone.remove()


def test_fresh_clone_serves_the_page_on_postgres(clone):
    assert "PostgreSQL" in clone.page()
    assert clone.get("/_stack/")[0] == 200


def test_its_packages_come_from_its_wheels(clone):
    code = "import django_compose_stack as stack, django_fast_reload as reload; print(stack.__file__, reload.__file__)"

    places = clone.compose("exec", "-T", "web", "python", "-c", code).stdout.split()

    assert all(place.startswith("/opt/venv/lib/") for place in places)


def test_doctor_is_quiet(clone):
    assert clone.make("doctor").stdout == "No problem found.\n"


@pytest.mark.parametrize("mode", ["docker", "native"])
def test_its_tests_are_those_of_its_apps(clone, mode):
    tested = clone.make("test", MODE=mode, timeout=BUILD_TIMEOUT).stdout

    assert re.findall(r"^(\S+)\.py \.+", tested, re.M) == ["apps/pages/tests"]
    assert re.search(r"^=+ \d+ passed in ", tested, re.M)


def test_make_up_without_an_engine_and_down_when_there_is_one(clone):
    clone.make("down")
    try:
        assert clone.make("up", MODE="native").stdout.endswith(f"unning at http://127.0.0.1:{clone.port}\n")
        assert "PostgreSQL" in clone.page()
        clone.make("down", MODE="")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", clone.port)).close()
    finally:
        clone.make("down", MODE="native")
        clone.make("up")


def test_locks_are_what_make_lock_writes(clone):
    before = [clone.path / name for name in ("requirements.txt", "requirements/dev.txt", "requirements/prod.txt")]
    texts = [path.read_text() for path in before]

    clone.make("lock", timeout=BUILD_TIMEOUT)

    assert [path.read_text() for path in before] == texts
    assert run("git", "status", "--porcelain", cwd=clone.path).stdout == ""


def test_wheel_with_one_changed_byte_is_refused(clone, tmp_path):
    """By the image's build, by native mode and by pip; the program refuses it too, see the tests of the launcher."""
    copy = tmp_path / "copy"
    shutil.copytree(clone.path, copy, ignore=shutil.ignore_patterns(".git", ".venv", ".native", ".postgres"))
    (wheel, _) = sorted(copy.glob(".stack/*.whl"))
    content = bytearray(wheel.read_bytes())
    content[content.index(b"Nothing is imported here")] ^= 1
    wheel.write_bytes(content)
    run("python3", "-m", "venv", str(tmp_path / "venv"))

    for target in ("dev", "prod"):
        built = run("docker", "build", f"--target={target}", ".", cwd=copy, check=False, timeout=BUILD_TIMEOUT)
        assert built.returncode
        assert re.search("CRC|[Hh]ash mismatch", built.stderr)
    native = run(*STACK, "native", "true", cwd=copy, check=False)
    assert native.returncode
    assert "is not the file whose hash the lock has" in native.stderr
    pip = [tmp_path / "venv/bin/pip", "install", "--require-hashes", "--requirement=requirements.txt"]
    installed = run(*map(str, pip), cwd=copy, check=False)
    assert "DO NOT MATCH THE HASHES" in installed.stderr


def test_update_while_the_server_runs(clone, tmp_path):
    """No request fails, and what was added to the database stays."""
    clone.add_note("before the update")
    folder = releases.write(tmp_path / "next", releases.make("1.1.0"))
    statuses, is_done = [], threading.Event()

    def ask():
        while not is_done.wait(0.2):
            try:
                statuses.append(urlopen(f"http://127.0.0.1:{clone.port}/", timeout=60).status)
            except OSError as error:
                statuses.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        clone.make("update", f"FROM={folder}")
        version = "from django_compose_stack import __version__; print(__version__)"

        def is_new():
            return clone.compose("exec", "-T", "web", "python", "-c", version, check=False).stdout == "1.1.0\n"

        wait_for(is_new, "the new version to be installed", 120)
        assert "before the update" in clone.page()
    finally:
        is_done.set()
        asking.join()

    assert set(statuses) == {200}
