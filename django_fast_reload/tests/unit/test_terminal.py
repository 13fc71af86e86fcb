"""What is printed, and that signals end the server and leave the terminal as it was."""

import os
import pty
import select
import signal
import sys
import termios

import pytest

from ...ipc import Obstacle, plain_failure
from ...supervisor.terminal import Terminal


@pytest.fixture
def shown(capsys):
    """Return a function that calls a method of the terminal and returns what it printed."""
    terminal = Terminal("/project")

    def call(method, *arguments):
        getattr(terminal, method)(*arguments)
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    ("changed", "before", "text"),
    [
        (["/project/a.py"], "/project/a.py", "a.py changed: live in 12 ms.\n"),
        (["/project/a.py"], "/project/b.py", "a.py changed: live in 12 ms, from b.py on.\n"),
        (["/project/a.py"], "", "a.py changed: live in 12 ms, from the start on.\n"),
        (["/project/a.py", "/else/b.py"], "/project/a.py", "a.py and 1 more changed: live in 12 ms.\n"),
        ([], "", "Live again in 12 ms.\n"),
        ([""], "", "Live again in 12 ms.\n"),
    ],
)
def test_a_reload_is_one_line(shown, changed, before, text):
    assert shown("reloaded", changed, before, 12.3) == text


def test_an_error_names_its_place_and_what_to_do(shown):
    failure = {**plain_failure("NameError: x"), "path": "/project/a.py", "where": "a.py", "line": 3}

    assert shown("failed", failure) == "a.py:3: NameError: x\nFix it and save: the server is still running.\n"
    assert shown("failed", plain_failure("It crashed")).startswith("It crashed\n")


def test_the_limit_of_watches_is_reported_once(shown):
    assert "sudo sysctl fs.inotify.max_user_watches=" in shown("watches_exhausted")
    assert shown("watches_exhausted") == ""


def test_an_obstacle_names_the_file(shown):
    assert shown("obstacle", Obstacle("/project/a.py", "a module started a thread (x)")) == (
        "From a.py on no snapshot can be taken, so reloads start further back: a module started a thread (x).\n"
    )
    assert shown("obstacle", Obstacle("", "y")).startswith("At the end no snapshot")


def test_names_that_are_no_text_are_printed(shown):
    assert shown("say", os.fsdecode(b"caf\xe9")) == "caf?\n"


def test_a_closed_terminal_is_no_error(monkeypatch):
    class Closed:
        def write(self, text):
            raise OSError

        flush = write

    monkeypatch.setattr(sys, "stdout", Closed())

    Terminal("/project").say("text")


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def number(request):
    """A signal that is not ignored, as SIGHUP is below nohup."""
    before = signal.signal(request.param, lambda *_: None)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_calls_the_end_and_wakes_the_loop(number):
    before = signal.getsignal(number)
    ended = []
    terminal = Terminal("/project")

    with terminal.signals(lambda: ended.append(number)) as wakeup:
        os.kill(os.getpid(), number)
        assert ended == [number]
        assert select.select([wakeup], [], [], 0)[0] == [wakeup]

    assert signal.getsignal(number) is before


def test_the_echo_that_a_debugger_turned_off_comes_back(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with Terminal("/project").signals(lambda: None):
            modes = termios.tcgetattr(theirs)
            modes[3] &= ~termios.ECHO
            termios.tcsetattr(theirs, termios.TCSANOW, modes)

        assert termios.tcgetattr(theirs)[3] & termios.ECHO
    os.close(ours)
