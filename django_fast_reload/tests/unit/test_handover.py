"""What passes from one version of the supervisor to the next, and how it sees that there is one."""

import os
import selectors
import socket

import pytest

from ... import package
from ...supervisor import handover
from ...supervisor.handover import Held, Inheritance, OwnPackage


def test_the_first_supervisor_inherits_nothing():
    assert handover.take({"port": 1}) == Inheritance()


def test_the_next_takes_the_sockets_and_leaves_them_to_nobody():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        left = Inheritance(listener.fileno(), [client.fileno()], [], "/tmp/x", ["a.py"])
        left.set_inheritable(True)
        plan = {"port": 1, "inheritance": {**vars(left), "of a later version": 1}}

        found = handover.take(plan)

        assert (plan, found) == ({"port": 1}, left)
        assert not os.get_inheritable(client.fileno())
        own = socket.socket(fileno=found.fd)
        assert own.getsockname() == listener.getsockname()
        own.detach()


def test_a_failed_exec_says_why_and_changes_nothing(monkeypatch):
    def fail(*_):
        raise OSError("no such file")

    monkeypatch.setattr(os, "execve", fail)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert handover.replace({}, {}, Inheritance(listener.fileno())) == "no such file"
        assert not os.get_inheritable(listener.fileno())


def test_held_sockets_are_closed_when_the_other_side_ends():
    ours, theirs = socket.socketpair()
    loop = selectors.EpollSelector()
    held = Held(loop, [ours.detach()])
    theirs.sendall(b"whatever another version says")
    for key, _ in loop.select(1):
        key.data()
    assert len(held.sockets) == 1

    theirs.close()
    for key, _ in loop.select(1):
        key.data()

    assert held.sockets == set()
    loop.close()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package folder; return it and its OwnPackage."""
    for name in ("__main__.py", "supervisor/main.py", "tests/test_a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("X = 1\n")
    monkeypatch.setattr(package, "FOLDER", str(tmp_path))
    monkeypatch.setattr(package, "MAIN", str(tmp_path / "__main__.py"))
    monkeypatch.setattr(handover, "FOLDERS", package.folders())
    monkeypatch.setattr(handover, "SETTLE", 0)
    monkeypatch.setattr(handover, "is_fit", lambda: True)
    return tmp_path, OwnPackage()


def test_only_what_runs_counts(installed):
    folder, own = installed
    (folder / "tests/test_a.py").write_text("X = 2\n")
    (folder / "supervisor/__pycache__").mkdir()
    assert own.is_touched()

    assert not own.is_replaced()
    assert not own.is_touched()


def test_another_text_is_another_version(installed):
    folder, own = installed
    (folder / "supervisor/main.py").write_text("X = 2\n")

    assert own.is_replaced()


def test_a_version_that_does_not_start_is_none(installed, monkeypatch):
    folder, own = installed
    monkeypatch.setattr(handover, "is_fit", lambda: False)
    (folder / "supervisor/main.py").write_text("X = 2\n")

    assert not own.is_replaced()


def test_a_package_that_is_gone_is_no_version(installed):
    folder, own = installed
    assert own.missing() == ""
    (folder / "__main__.py").unlink()

    assert not own.is_replaced()
    assert own.missing() == f"{folder.name} is no longer at {folder}. Install it again."
