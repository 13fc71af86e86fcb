"""The tests beside the server: a process that runs those that a save concerns, for as long as the server lives."""

import ctypes
import os
import shlex
import signal
import sys
from contextlib import suppress
from select import select

from ..package import MAIN
from .terminal import Terminal

WANTED, SERVER = b"DEVSERVER_TESTS", b"DEVSERVER_TESTS_OF"  # options of pytest; pid of the supervisor
END_TIMEOUT = 3.0  # seconds that fixtures and databases of a run under way get at the end
PR_SET_PDEATHSIG = 1


class TestsBeside:
    """Nothing where DEVSERVER_TESTS is empty. Its tests find no terminal to read from: the server has it.

    pid: of the process that a supervisor before this one has started; 0 for none.
    """

    def __init__(self, environment: dict[bytes, bytes], pid: int, terminal: Terminal):
        text = os.fsdecode(environment.get(WANTED, b""))
        try:
            self.options = shlex.split(text)
        except ValueError as error:
            self.options = []
            terminal.say(
                f"No tests run: {WANTED.decode()}={text} is no list of options: {error}. Correct it, then restart."
            )
        self.environment, self.pid, self.pidfd = environment, 0, -1
        if pid:
            self.follow(pid)

    def start(self) -> None:
        """Start it, once."""
        if self.options and not self.pid:
            environment = {**self.environment, SERVER: str(os.getpid()).encode()}
            no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
            command = [sys.executable, MAIN, "watch", *self.options]
            self.follow(os.posix_spawn(sys.executable, command, environment, file_actions=[no_input]))

    def follow(self, pid: int) -> None:
        self.pid = pid
        with suppress(OSError):  # It has ended, or Linux is older than 5.3.
            self.pidfd = os.pidfd_open(pid)

    def stop(self) -> None:
        """End it in order, before everything is ended: a test may have a database of its own."""
        with suppress(OSError):  # It has ended.
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
            select([self.pidfd], [], [], END_TIMEOUT)


def end_with_server(environment: dict[bytes, bytes]) -> None:
    """Have this process end when the server does that has started it, whatever ends that one."""
    server = environment.pop(SERVER, None)
    if server is not None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(server):
            sys.exit(1)
