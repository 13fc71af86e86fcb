"""The terminal: what the supervisor prints, the signals it gets, and the echo that a killed debugger turns off."""

import os
import signal
import sys
import termios
from contextlib import contextmanager, suppress

from ..ipc import Failure, Obstacle

END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Terminal:
    advice = "Fix it and save: the server is still running."

    def __init__(self, root: str):
        self.root = root
        self.said: set = set()  # subjects of what is said once

    def name(self, path: str) -> str:
        return os.path.relpath(path, self.root) if path.startswith("/") else path

    def names(self, paths: list[str]) -> str:
        return ", ".join(map(self.name, paths))

    def say(self, text: str) -> None:
        with suppress(OSError):  # A terminal that was closed must not end the server's work.
            print(text.encode(errors="replace").decode(), flush=True)

    def say_once(self, subject, text: str) -> None:
        if subject not in self.said:
            self.said.add(subject)
            self.say(text)

    def reloaded(self, changed: list[str], before: str, milliseconds: float) -> None:
        if not changed or not changed[0]:
            self.say(f"Live again in {milliseconds:.0f} ms.")
            return
        names = self.name(changed[0]) + (f" and {len(changed) - 1} more" if len(changed) > 1 else "")
        point = "" if before == changed[0] else f", from {self.name(before) if before else 'the start'} on"
        self.say(f"{names} changed: live in {milliseconds:.0f} ms{point}.")

    def failed(self, failure: Failure) -> None:
        place = f"{failure['where']}:{failure['line']}: " if failure["path"] else ""
        hint = f"\n{failure['hint']}" if failure["hint"] else ""
        self.say(f"{place}{failure['title']}{hint}\n{self.advice}")

    def watches_exhausted(self) -> None:
        self.say_once(
            "watches",
            "The limit of file watches is reached, so each request compares the files themselves, which is slower. "
            "Raise it: sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512",
        )

    def obstacle(self, message: Obstacle) -> None:
        where = f"From {self.name(message.before)} on" if message.before else "At the end"
        text = f"{where} no snapshot can be taken, so reloads start further back: {message.reason}."
        self.say_once(message.reason, text)

    @contextmanager
    def signals(self, end):
        """Call `end` for the signals that end the server, and restore terminal and handlers afterwards.

        Yields a descriptor that becomes readable with the first signal.
        """
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        numbers = [number for number in END_SIGNALS if not (number == signal.SIGHUP and is_nohup)]
        before = {number: signal.signal(number, lambda *_: end()) for number in numbers}
        woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)  # See handover.py.
        modes = termios.tcgetattr(sys.stdin) if sys.stdin and sys.stdin.isatty() else None
        try:
            yield read
        finally:
            if modes:
                ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
                signal.signal(signal.SIGTTOU, ignored)
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(read)
            os.close(write)
