"""Own the socket, watch the files, and decide which process answers.

One thread and the standard library only, so that nothing the project does can end it.
"""

import selectors
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable

from .. import ipc
from ..project_paths import ProjectPaths
from . import handover
from .barrier import Barrier
from .beside import TestsBeside
from .debugger import Debugger
from .dotenv import DotEnv
from .endpoints import Endpoints
from .files import Files
from .handles import Worker
from .handover import Inheritance
from .installer import Installer
from .loader import Load, Loader
from .shutdown import become_reaper, reap
from .terminal import Terminal

TICK = 1.0  # seconds between two scans of the files, in case an event was lost
TICK_PAUSE = 500  # pause between scans, as a multiple of the last one's duration: it stays idle with thousands of files
RETRY = 0.005  # seconds until a busy process is asked again
CRASH = "The process that loads the project ended by itself: a crash, os._exit(), or too little memory."


class Supervisor:
    def __init__(self, plan: dict, environment: dict[bytes, bytes], listener: socket.socket, inherited: Inheritance):
        self.plan, self.environment = plan, environment
        self.loop = selectors.EpollSelector()
        self.terminal = Terminal(plan["root"])
        self.debugger = Debugger(environment, self.loop, self.terminal, lambda: self.loader.start(inherited.changed))
        self.loader = Loader(plan, environment, self.loop, inherited.bytecode, self.debugger.endpoint)
        self.files = Files(ProjectPaths(plan["root"]), self.loader.lineage.dependencies)
        self.endpoints = Endpoints(self.loop, self.loader, self.files, self.terminal)
        lineage = self.loader.lineage
        self.barrier = Barrier(listener, self.loop, self.endpoints, self.taker, lineage.unreceived, self.confirm)
        lineage.on_message, lineage.on_end = self.on_message, self.on_worker_end
        lineage.on_lost, self.loader.on_replaced = self.barrier.take_back, self.hand_over
        notify = self.endpoints.notify
        self.installer = Installer(self.terminal, environment, self.loop, notify, self.loader.start)
        self.dotenv = DotEnv(self.files.project.root, environment)
        self.tests = TestsBeside(environment, inherited.tests, self.terminal)
        self.held = handover.Held(self.loop, inherited.held)
        self.next_tick = time.monotonic() + TICK
        self.exit_status: int | None = None  # of this process, once it ends
        self.checks = ""  # what they found the last time
        for fd in inherited.connections:
            self.barrier.expect_request(socket.socket(fileno=fd))

    @property
    def live(self) -> Worker | None:
        return self.loader.lineage.live

    @property
    def load(self) -> Load:
        return self.loader.load

    # ---- the loop

    def run(self) -> int:
        become_reaper()
        with self.terminal.signals(self.end) as wakeup:
            self.loop.register(wakeup, selectors.EVENT_READ, lambda: None)  # It ends the wait, and `end` the loop.
            if self.files.watcher.fd >= 0:
                self.loop.register(self.files.watcher, selectors.EVENT_READ, self.examine)
            self.files.watch_files([*self.installer.locks, self.dotenv.path])
            self.debugger.start()
            while self.exit_status is None:
                try:
                    self.turn()
                except Exception:  # A bug of this program must not take the server away either.
                    traceback.print_exc()
                    time.sleep(RETRY)
            self.stop()
        return self.exit_status

    def turn(self) -> None:
        for key, _ in self.loop.select(self.timeout()):
            key.data()
        self.examine()
        self.report_failure()
        self.barrier.let_in()
        self.loader.lineage.release()
        if time.monotonic() >= self.next_tick:
            self.tick()

    def end(self, status: int = 0) -> None:
        self.exit_status = status

    def stop(self) -> None:
        self.barrier.listener.close()
        self.tests.stop()
        self.loader.lineage.stop()
        shutil.rmtree(self.loader.bytecode, ignore_errors=True)

    def timeout(self) -> float:
        """Return the seconds until something is due without any event."""
        waits = [self.next_tick - time.monotonic(), self.files.wait(), self.load.report_in()]
        is_held = self.barrier.waiting or self.barrier.is_asked
        if self.barrier.is_paused or (is_held and self.loader.is_serving):
            waits.append(RETRY)
        return max(0.0, min(wait for wait in waits if wait is not None))

    def tick(self) -> None:
        """Do what no event asks for: scan the files, reap, close idle clients."""
        started = time.monotonic()
        self.files.scan()
        if self.files.watcher.full:
            self.terminal.watches_exhausted()
        self.endpoints.close_idle()
        self.loader.lineage.kill_stuck()
        if not self.installer.process:
            reap()
        self.next_tick = started + max(TICK, TICK_PAUSE * (time.monotonic() - started))

    # ---- the barrier

    def taker(self, since: float) -> Callable[[socket.socket], bool] | None:
        """Take in all that happened to the files until `since`; return what takes connections if it is made of them."""
        self.examine(since)
        if self.files.settling:
            return None
        if self.loader.is_serving and not self.load.unanswered:
            return self.live.hand_over
        return self.endpoints.serve if self.load.is_known_broken() else None

    def confirm(self) -> bool:
        """Tell the live process, which asked, that it may still answer; return False where it is too busy to listen."""
        return self.live is None or self.live.send(ipc.Current())

    def examine(self, since: float = 0.0) -> None:
        self.take_records()
        self.files.collect(since)
        if self.live and self.live.is_debugged:
            if self.files.settling:
                self.terminal.say_once(self.load.number, "The change waits for the debugger.")
            return
        if paths := self.files.take():
            self.judge(paths)

    def take_records(self) -> None:
        if self.live and (records := self.live.journal.read()):
            self.files.add_records(records)

    def judge(self, paths: set[str]) -> None:
        """Decide what changed files mean: another process, a message to the live one, or nothing."""
        self.installer.install_changed(paths)
        if self.dotenv.path in paths and (advice := self.dotenv.advice()):
            self.terminal.say(advice)
        if broken := self.files.dependencies.broken_by(paths, is_retry=self.load.failure is not None):
            self.loader.resume(broken)
        elif self.loader.is_serving:
            news = [path for path in paths if path.startswith(self.files.folders)]
            if news and self.live.send(ipc.Changed(news)):
                self.load.unanswered = set(news)
            else:
                self.files.suspect(news)  # It is too busy to listen: try again soon.

    def hand_over(self, changed: list[str]) -> None:
        """Become the supervisor of the version that was installed. Returns only where that is impossible."""
        self.terminal.say("Another version of django_fast_reload was installed: switching to it.")
        self.loader.lineage.retire()
        held = [*self.loader.lineage.sockets(), *self.endpoints.unread(), *self.held.sockets]
        fds = [[sock.fileno() for sock in sockets] for sockets in (self.barrier.all(), held)]
        inheritance = Inheritance(self.barrier.listener.fileno(), *fds, self.loader.bytecode, changed, self.tests.pid)
        if error := handover.replace(self.plan, self.environment, inheritance):
            self.terminal.say(f"The new version could not be started, so the old one stays: {error}")

    # ---- messages of the live process

    def on_message(self, message) -> None:
        self.take_records()
        handler = {
            ipc.Address: self.on_address,
            ipc.Ask: self.barrier.on_ask,
            ipc.Serving: self.on_serving,
            ipc.Failed: self.on_failed,
            ipc.Debugging: self.on_debugging,
            ipc.Obstacle: self.terminal.obstacle,
            ipc.Configured: self.loader.on_configured,
            ipc.Folders: self.on_folders,
            ipc.Handled: self.on_handled,
            ipc.Warm: self.loader.lineage.warm_up,
            ipc.Checks: self.on_checks,
            ipc.Declined: self.on_declined,
        }.get(type(message))
        if handler is not None:
            handler(message)

    def on_folders(self, message: ipc.Folders) -> None:
        """Watch what Django asks for. The first process says it before it serves, later ones when it is quiet."""
        self.loader.is_watched = True
        self.files.watch_below(message.folders, message.static)

    def on_address(self, message: ipc.Address) -> None:
        wanted = message._asdict()
        if self.plan | wanted != self.plan:
            self.plan |= wanted
            if not self.barrier.move(**wanted):
                self.end(1)

    def on_serving(self, message: ipc.Serving) -> None:
        load = self.load
        self.endpoints.editor, self.endpoints.allowed_hosts = message.editor, message.allowed_hosts
        self.live.is_serving, self.live.is_debugged = True, False
        load.ended = time.monotonic()
        self.endpoints.remember()
        if self.loader.is_fresh:
            folders, snapshots = len(self.files.watcher.watches), len(self.loader.lineage.snapshots)
            address = f" Open {message.url}" if message.url else ""
            self.terminal.say(f"Watching {folders} folders; {snapshots} snapshots.{address}")
        else:
            self.terminal.reloaded(load.changed, load.before, load.milliseconds)
        self.loader.is_fresh = False
        self.tests.start()
        self.barrier.let_in()
        self.endpoints.broadcast()

    def on_failed(self, message: ipc.Failed) -> None:
        if self.loader.is_fresh and message.failure["refusal"]:
            # The project refuses to start, with sys.exit(): whatever starts it should know at once.
            print(message.failure["refusal"], file=sys.stderr)
            self.end(1)
        gone = self.loader.package.missing()  # A copy has the package in memory, the project finds none.
        self.load.fail(ipc.plain_failure(gone) if gone else message.failure)

    def report_failure(self) -> None:
        """Report an error once the files have settled: a half-written file is an error too, for a moment."""
        load = self.load
        left = load.report_in()
        if left is None or left > 0 or self.files.settling:
            return
        load.is_reported = True
        self.endpoints.remember()
        self.terminal.failed(load.failure)
        self.endpoints.broadcast()

    def on_debugging(self, _) -> None:
        self.live.is_debugged = True

    def on_handled(self, message: ipc.Handled) -> None:
        """The live process has handled the change of files that are no part of it, or can't."""
        self.load.unanswered.difference_update(message.files)
        if message.restart:
            self.loader.resume({message.restart: 0})
        else:
            self.endpoints.touch(message.files)

    def on_checks(self, message: ipc.Checks) -> None:
        """Print what the checks found, unless they found the same the last time; show errors in the page too."""
        if message.text != self.checks:
            self.checks = message.text
            self.terminal.say(self.checks or "System checks: no issues left.")
        if message.is_serious:
            self.endpoints.notify("System checks", self.checks)

    def on_worker_end(self, worker: Worker) -> None:
        """The live process has ended: after an error it reported, or by itself."""
        load = self.load
        if load.failure is not None:
            return
        if worker.is_serving and not load.is_short():
            self.terminal.say("The server process ended unexpectedly. Starting another one.")
            self.loader.resume({"": len(self.files.dependencies)})
        elif load.before and not worker.is_serving:
            # Its snapshot may have been killed or stopped, or the code may not bear being copied.
            self.terminal.say("A copied process ended before it was ready. Loading from the start.")
            self.loader.start(load.changed)
        elif self.loader.package.is_replaced():
            self.hand_over(load.changed)
        else:
            load.fail(ipc.plain_failure(self.loader.package.missing() or CRASH))

    def on_declined(self, message: ipc.Declined) -> None:
        """Let Django's own server do it."""
        self.terminal.say(message.reason)
        self.stop()
        handover.run_stock(self.plan, self.environment)
