"""Run the tests that a save concerns: `python -m django_fast_reload watch [PYTEST-OPTION...]`."""

import os
import signal
import sys
import time
from contextlib import suppress
from select import select

from .. import ipc
from ..package import MAIN
from .barrier import listen
from .beside import WANTED, end_with_server
from .handles import Worker
from .handover import Inheritance
from .keyboard import Keyboard
from .main import Supervisor
from .outcomes import Outcomes
from .verdicts import Announcer

CANCEL_TIMEOUT = 10.0  # seconds that the fixtures of a run that is cancelled get for their clean-up
HELP = "Keys: a all tests, f failed ones, Enter the same again, / some by name, Ctrl-C ends."
CRASH = "The process that ran the tests ended by itself: a crash, os._exit(), or too little memory."
LOOP = 8  # runs in a row that a file may start which changes while they go on
LOOP_PAUSE = 1.0  # seconds after a run in which such a change still counts as made by it
OURS = {b"DEVSERVER_DEBUGPY", b"DEVSERVER_REQUIREMENTS", WANTED}  # these are for the server
KEYS = {"a": "all", "f": "failed", "\n": "again"}


def watch(arguments: list[str], environment: dict[bytes, bytes]) -> int:
    """Run pytest with these arguments whenever a file changes, until a signal; return the exit status.

    The server's own address, on a free port of this machine, tells how the tests are: /__devserver__/status.
    """
    if sys.platform != "linux":
        print(f"Tests that resume need Linux, and this is {sys.platform}.", file=sys.stderr)
        return 1
    end_with_server(environment)
    listener = listen("127.0.0.1", 0, ipv6=False)
    if listener is None:
        return 1
    plan = {
        "program": "test", "argv": ["pytest", *arguments], "as_module": False, "flags": [], "root": os.getcwd(),
        "address": "127.0.0.1", "port": listener.getsockname()[1], "ipv6": False,
    }  # fmt: skip
    return Watch(plan, {name: value for name, value in environment.items() if name not in OURS}, listener).run()


class Watch(Supervisor):
    def __init__(self, plan: dict, environment: dict[bytes, bytes], listener):
        super().__init__(plan, environment, listener, Inheritance())
        self.terminal.advice = "Fix it and save."
        self.outcomes = Outcomes()
        self.announcer = Announcer(plan["root"])
        self.keyboard = Keyboard(self.loop, self.on_key)
        self.endpoints.outcomes = self.outcomes.known
        self.which, self.keyword, self.is_prepared = "affected", "", True
        self.loader.run = self.describe_run
        self.loader.lineage.on_retired = self.on_retired
        self.is_running = False
        self.loops: dict[str, int] = {}  # path: runs in a row that it started
        self.finished = 0.0

    def run(self) -> int:
        try:
            self.keyboard.open()
            return super().run()
        finally:
            self.keyboard.close()

    def describe_run(self, changed: list[str]) -> dict:
        self.files.dependencies.is_late = False
        self.files.dependencies.renew(changed)
        return self.outcomes.run(changed, self.which, self.keyword, self.is_prepared)

    # ---- what starts a run

    def judge(self, paths: set[str]) -> None:
        self.which, self.is_prepared = "affected", True
        number, is_own = self.load.number, self.is_running or time.monotonic() < self.finished + LOOP_PAUSE
        super().judge(paths)
        if self.load.number != number:
            self.guard(self.load.changed if is_own else [])

    def guard(self, paths: list[str]) -> None:
        """Leave out a file that each run of tests changes: it would start runs for ever."""
        self.loops = {path: self.loops.get(path, 0) + 1 for path in paths if not path.endswith(".py")}
        for path, count in self.loops.items():
            if count >= LOOP:
                self.files.dependencies.ignored.add(path)
                self.terminal.say(f"{self.terminal.name(path)} changes whenever tests run: it starts no more of them.")

    def on_key(self, key: str) -> None:
        self.which, self.keyword, self.is_prepared = KEYS.get(key, "keyword"), key[1:], True
        self.loader.replace([], len(self.files.dependencies))

    def on_retired(self, worker: Worker) -> None:
        """Cancel a run: pytest ends it as it does at Control-C."""
        self.is_running = False
        self.keyboard.open()
        self.loader.lineage.retired[worker] = time.monotonic() + CANCEL_TIMEOUT
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGINT)

    def stop(self) -> None:
        if self.live and self.live.is_serving:
            self.loader.lineage.retire()
        for worker in list(self.loader.lineage.retired):
            if worker.pidfd >= 0:  # readable once the process has ended
                select([worker.pidfd], [], [], max(0.0, self.loader.lineage.retired[worker] - time.monotonic()))
        super().stop()

    def hand_over(self, changed: list[str]) -> None:
        self.terminal.say("Another version of django_fast_reload was installed: starting it.")
        self.stop()
        command = [sys.executable, MAIN, "watch", *self.plan["argv"][1:]]
        os.execve(sys.executable, command, self.environment)

    def tick(self) -> None:
        super().tick()
        self.announcer.connect()

    # ---- messages of the process that runs the tests

    def on_message(self, message) -> None:
        own = {
            ipc.Unprepared: self.on_unprepared,
            ipc.Collected: self.on_collected,
            ipc.Tested: self.outcomes.on_tested,
            ipc.Needy: self.on_needy,
            ipc.Finished: self.on_finished,
        }.get(type(message))
        if own is None:
            super().on_message(message)
        else:
            self.take_records()
            own(message)

    def on_unprepared(self, message: ipc.Unprepared) -> None:
        self.is_prepared = False
        self.loader.replace(self.load.changed, message.position)

    def on_collected(self, message: ipc.Collected) -> None:
        self.outcomes.on_collected(message)
        if message.prepared:
            # The next run may do without, and tests that are not run then have used it.
            self.files.dependencies.kept_from = message.prepared["position"]

    def on_needy(self, message: ipc.Needy) -> None:
        self.outcomes.on_needy(message)
        self.loader.replace(self.load.changed, message.position)

    def on_serving(self, message: ipc.Serving) -> None:
        """The tests begin."""
        self.live.is_serving = self.is_running = self.files.dependencies.is_late = True
        self.load.ended = time.monotonic()
        if self.loader.is_fresh:
            self.loader.is_fresh = False
            folders, snapshots = len(self.files.watcher.watches), len(self.loader.lineage.snapshots)
            self.terminal.say(
                f"Watching {folders} folders; {snapshots} snapshots. http://127.0.0.1:{self.plan['port']}"
            )
            if self.keyboard.is_there:
                self.terminal.say(HELP)
        self.endpoints.broadcast()

    def on_debugging(self, message: ipc.Debugging) -> None:
        super().on_debugging(message)
        self.keyboard.close()
        self.live.send(ipc.Current())

    def on_finished(self, message: ipc.Finished) -> None:
        self.outcomes.on_finished(message)
        self.live.is_debugged = self.is_running = False
        self.finished = time.monotonic()
        self.keyboard.open()
        self.endpoints.tests = self.outcomes.verdict(self.load.number)
        self.announcer.announce(self.endpoints.tests)
        self.endpoints.remember()
        self.terminal.say(self.summary())
        self.endpoints.broadcast()

    def summary(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.endpoints.tests["counts"].items())
        changed = self.terminal.names(self.load.changed)
        seconds = time.monotonic() - self.load.started
        if not counts:
            return f"No test is concerned{f' by {changed}' if changed else ''}."
        return f"{counts} in {seconds:.2f} s{f' ({changed})' if changed else ''}."

    def on_worker_end(self, worker: Worker) -> None:
        if worker.is_serving and self.load.failure is None:
            self.is_running = False
            self.load.fail(ipc.plain_failure(CRASH))
        else:
            super().on_worker_end(worker)
