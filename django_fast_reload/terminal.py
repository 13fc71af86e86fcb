"""The terminal: the few lines the supervisor prints, the signals it gets, and the echo a killed debugger takes away."""

import os
import signal
import sys
import termios
from contextlib import contextmanager

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Terminal:
    def __init__(self, root: str):
        self.root = root
        self.is_unwatched_said = False

    def name(self, path: str) -> str:
        return os.path.relpath(path, self.root) if path.startswith("/") else path

    def say(self, text: str) -> None:
        try:
            print(text.encode(errors="replace").decode(), flush=True)
        except OSError:
            pass  # A terminal that was closed must not end the server's work.

    def ready(self, url: str, folders: int, snapshots: int) -> None:
        self.say(f"Watching {folders} folders; {snapshots} snapshots." + (f" Open {url}" if url else ""))

    def reloaded(self, changed: list[str], before: str, milliseconds: float) -> None:
        if not changed or not changed[0]:
            self.say(f"Live again in {milliseconds:.0f} ms.")
            return
        names = self.name(changed[0]) + (f" and {len(changed) - 1} more" if len(changed) > 1 else "")
        point = "" if before == changed[0] else f", from {self.name(before) if before else 'the start'} on"
        self.say(f"{names} changed: live in {milliseconds:.0f} ms{point}.")

    def failed(self, failure: dict) -> None:
        place = f"{failure['where']}:{failure['line']}: " if failure["path"] else ""
        self.say(f"{place}{failure['title']}\nThe server goes on by itself when this is mended.")

    def unwatched(self) -> None:
        if not self.is_unwatched_said:
            self.is_unwatched_said = True
            self.say(
                "The kernel gives no more file watches, so the files themselves are compared at each request. More: "
                "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512"
            )

    def crashed(self) -> None:
        self.say("The server process ended by itself; starting another.")

    def obstacle(self, message: dict) -> None:
        where = f"From {self.name(message['before'])} on" if message["before"] else "At the end"
        self.say(f"{where} no snapshot can be taken, so reloads start further back: {message['reason']}.")

    @contextmanager
    def signals(self, end):
        """Call `end` for the signals that end the server, and restore terminal and handlers afterwards.

        Yields a descriptor that becomes readable with each signal.
        """
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.wakeup = read
        before = {number: signal.signal(number, lambda *_: end()) for number in ENDING}
        woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
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

    def forget_wakeups(self) -> None:
        os.read(self.wakeup, 4096)
