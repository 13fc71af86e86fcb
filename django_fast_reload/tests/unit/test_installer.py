"""A changed lock is installed once, with a command that fits the environment."""

import os
import selectors
import sys

import pytest

from ...supervisor.installer import MAX_OUTPUT, Installer
from ...supervisor.terminal import Terminal


class Run:
    """An installer whose command is a Python script."""

    def __init__(self, root, script="pass"):
        self.loop = selectors.EpollSelector()
        self.installed, self.notices = [], []
        environment = {b"DEVSERVER_REQUIREMENTS": b"a.txt b.txt", b"PATH": os.fsencode(root)}
        terminal = Terminal(str(root))
        self.installer = Installer(terminal, environment, self.loop, self.notify, self.installed.append)
        self.default = self.installer.command()
        self.installer.command = lambda: [sys.executable, "-c", script]

    def notify(self, title, text):
        self.notices.append(f"{title}: {text}")

    def wait(self):
        while self.installer.process:
            for key, _ in self.loop.select(10):
                key.data()


@pytest.fixture
def lock(tmp_path):
    (tmp_path / "b.txt").write_text("")
    path = tmp_path / "a.txt"
    path.write_text("one")
    return path


def test_a_changed_lock_is_installed(tmp_path, lock, capsys):
    run = Run(tmp_path)
    lock.write_text("two")

    assert run.installer.install_changed({str(lock), "/elsewhere"})
    run.wait()

    assert run.installed == [[str(lock)]]
    assert run.notices == ["a.txt changed: Installing the requirements."]
    assert capsys.readouterr().out == "a.txt changed: installing.\n"


def test_a_lock_saved_without_a_change_is_not_installed(tmp_path, lock):
    run = Run(tmp_path)
    lock.write_text("one")

    assert not run.installer.install_changed({str(lock)})
    assert run.installer.process is None


def test_a_deleted_lock_is_not_installed(tmp_path, lock):
    run = Run(tmp_path)
    lock.unlink()

    assert not run.installer.install_changed({str(lock)})


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("import sys; sys.exit('no such package')", "no such package"),
        ("import sys; sys.exit(3)", "The command ended with status 3."),
        (f"import sys; print('x' * {2 * MAX_OUTPUT}); sys.exit(1)", "x" * MAX_OUTPUT),
    ],
)
def test_a_failure_is_reported_with_the_end_of_its_output(tmp_path, lock, capsys, script, error):
    run = Run(tmp_path, script)
    lock.write_text("two")

    run.installer.install_changed({str(lock)})
    run.wait()

    assert run.installed == []
    assert run.notices[1:] == [f"a.txt could not be installed: {error}"]
    assert capsys.readouterr().out.endswith(f"The server keeps the packages it has.\n{error}\n")


def test_a_lock_that_changes_meanwhile_is_installed_before_the_end_is_reported(tmp_path, lock):
    run = Run(tmp_path, f"open({str(tmp_path / 'b.txt')!r}, 'w').write('changed')")
    lock.write_text("two")

    run.installer.install_changed({str(lock)})
    run.wait()

    assert run.installed == [[str(lock), str(tmp_path / "b.txt")]]


def test_the_copy_inside_the_environment_is_renewed(tmp_path, lock, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    (tmp_path / "env").mkdir()
    (tmp_path / "env/a.txt").write_text("one")
    run = Run(tmp_path)
    lock.write_text("two")

    run.installer.install_changed({str(lock)})
    run.wait()

    assert [path.name for path in (tmp_path / "env").iterdir()] == ["a.txt"]
    assert (tmp_path / "env/a.txt").read_text() == "two"


def test_uv_makes_the_environment_equal_to_the_locks_where_it_is_installed(tmp_path, lock, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/environment/bin/python")
    locks = [str(lock), str(tmp_path / "b.txt")]
    assert Run(tmp_path).default == [
        "/environment/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "-r", locks[0], "-r", locks[1],
    ]  # fmt: skip

    (tmp_path / "uv").write_text("")
    (tmp_path / "uv").chmod(0o755)

    assert Run(tmp_path).default == [
        str(tmp_path / "uv"), "pip", "sync", "--quiet", "--python", "/environment/bin/python", *locks,
    ]  # fmt: skip
