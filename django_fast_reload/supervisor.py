"""The first process: owns the socket, watches the files, and decides which process answers.

Standard library only and one thread, so that nothing the project does can end it.
"""

import os
import selectors
import socket
import sys
import time
import traceback
from collections import deque

from .answers import EDITOR
from .bytecode import make_folder, remove_folder
from .clients import BIND_ERRORS, Clients, listen
from .debugging import Debugger
from .dotenv import DotEnv, cure
from .files import Files
from .lineage import Lineage
from .processes import RETRY, Live, become_reaper, reap
from .project import Project
from .requirements import Installer
from .terminal import Terminal

TICK = 1.0  # seconds between two looks at the files' stat, in case an event was lost
DOUBT = 0.04  # seconds before an error is believed: a writer may have been stopped between truncating and writing
NEWS = 500  # paths in one message
DEADLY = 1.0  # seconds within which a server that ends by itself is not started again


def supervise(plan: dict, environment: dict[bytes, bytes]) -> int:
    """Run the server of `plan` (see entry.make_plan) until a signal; return the exit status."""
    try:
        listener = listen(plan["address"], plan["port"], plan["ipv6"])
    except OSError as error:
        print(f"Error: {BIND_ERRORS.get(error.errno, error)}", file=sys.stderr)
        return 1
    return Supervisor(plan, environment, listener).run()


class Supervisor:
    def __init__(self, plan: dict, environment: dict[bytes, bytes], listener: socket.socket):
        self.plan, self.environment, self.listener = plan, environment, listener
        self.bytecode = make_folder()
        self.loop = selectors.EpollSelector()
        self.terminal = Terminal(plan["root"])
        self.lineage = Lineage(plan, environment, self.loop, self.hear, self.live_ended)
        self.trace = self.lineage.trace
        self.files = Files(Project(plan["root"]), self.trace)
        self.clients = Clients(self, listener, self.loop)
        self.installer = Installer(self.files.project.root, environment, self.loop, self.installed)
        self.debugger = Debugger(environment, self.loop, self.terminal, self.start)
        self.dotenv = DotEnv(self.files.project.root, environment)
        self.failure: dict | None = None
        self.is_reported = True
        self.fresh, self.is_watched = True, False
        self.boot, self.generation = f"{time.time():.0f}", 0
        self.changed: list[str] = []  # what the load under way is for
        self.before = ""
        self.started = self.ended = 0.0
        self.unanswered: set[str] = set()  # files that the live process was told of and has not confirmed
        self.checks = ""
        self.notice: dict | None = None  # what pages show beside an error: {"title": str, "text": str}
        self.settings = {"url": "", "editor": EDITOR}
        self.touched: deque[list] = deque(maxlen=50)  # [time, path] of templates and static files
        self.history: deque[dict] = deque(maxlen=50)
        self.next_tick = time.monotonic() + TICK
        self.is_ending = self.is_waiting_said = False
        self.status = 0

    @property
    def live(self) -> Live | None:
        return self.lineage.live

    # ---- the loop

    def run(self) -> int:
        become_reaper()
        with self.terminal.signals(self.end) as wakeup:
            self.loop.register(wakeup, selectors.EVENT_READ, self.terminal.forget_wakeups)
            if self.files.watcher.fd >= 0:
                self.loop.register(self.files.watcher, selectors.EVENT_READ, self.examine)
            self.files.also([*self.installer.locks, self.dotenv.path])
            self.debugger.start()
            while not self.is_ending:
                try:
                    self.turn()
                except Exception:
                    # A fault of this program is no reason either to leave the developer without a server.
                    traceback.print_exc()
                    time.sleep(RETRY)
            self.stop()
        return self.status

    def turn(self) -> None:
        for key, _ in self.loop.select(self.timeout()):
            key.data()
        self.examine()
        self.report_failure()
        self.clients.let_in()
        if time.monotonic() >= self.next_tick:
            self.tick()

    def end(self) -> None:
        self.is_ending = True

    def stop(self) -> None:
        self.listener.close()
        self.lineage.stop()
        remove_folder(self.bytecode)

    def timeout(self) -> float:
        """Return the seconds until something is due without any event."""
        now = time.monotonic()
        waits = [self.next_tick - now, self.files.wait()]
        if not self.is_reported:
            waits.append(self.ended + DOUBT - now)
        if self.clients.waiting and self.live and self.live.serving:
            waits.append(RETRY)
        return max(0.0, min(wait for wait in waits if wait is not None))

    def tick(self) -> None:
        """Do what no event asks for: look at the files themselves, reap, drop clients that linger."""
        started = time.monotonic()
        self.files.sweep()
        if self.files.watcher.full:
            self.terminal.unwatched()
        self.clients.dismiss_lingering()
        if not self.installer.pid:
            reap()
        # A project of thousands of files is looked at less often, which keeps the idle server idle.
        self.next_tick = started + max(TICK, 500 * (time.monotonic() - started))

    # ---- the barrier

    def is_current(self) -> bool:
        """Take in all that happened to the files so far; return whether the live process is made of them."""
        self.examine()
        return bool(self.live and self.live.serving) and not self.files.settling and not self.unanswered

    def is_known_broken(self) -> bool:
        return self.failure is not None and self.is_reported and not self.files.settling

    def examine(self) -> None:
        self.take_records()
        self.files.collect()
        if self.live and self.live.debugging:
            if self.files.settling and not self.is_waiting_said:
                self.is_waiting_said = True
                self.terminal.say("The change waits for the debugger.")
            return
        paths = self.files.take()
        if paths:
            self.judge(paths)

    def judge(self, paths: set[str]) -> None:
        """Decide what changed files mean: another process, a word to the live one, or nothing."""
        if locks := self.installer.notice(paths):
            names = ", ".join(map(self.terminal.name, locks))
            self.terminal.say(f"{names} changed: installing.")
            self.show(f"{names} changed", "Installing the requirements.")
        if self.dotenv.path in paths and (names := self.dotenv.overruled()):
            self.terminal.say(f".env: {', '.join(names)} takes effect with {cure()}.")
        broken = {}
        for path in paths:
            keys = self.trace.related(path, os.path.isdir(path) or not os.path.exists(path))
            found = self.trace.broken(keys)
            if os.path.isdir(path):
                broken |= found  # A sweep sees that something in a folder changed; name what it was.
                continue
            positions = list(found.values())
            if self.failure and not positions:
                positions = [self.trace.values[key][0] for key in keys]  # Saving again asks to try again.
            if positions:
                broken[path] = min(positions)
        if broken:
            self.resume(broken)
        elif self.live and self.live.serving:
            # Django forgets all templates for one that changed; a message can't hold any number.
            news = [path for path in paths if path.startswith(self.files.folders)][:NEWS]
            if news and self.live.tell({"changed": news}):
                self.unanswered = set(news)

    # ---- processes

    def start(self, changed: list[str] | None = None) -> None:
        """Start from nothing, in a fresh interpreter."""
        self.begin(changed or [])
        self.lineage.start(self.orders())

    def resume(self, broken: dict[str, int]) -> None:
        """Replace the live process by one that uses what is there now.

        broken: path of each changed file, and the position of the first record that no longer holds because of it.
        """
        self.begin(sorted(broken))
        self.lineage.heat(self.changed)
        before = self.lineage.resume(min(broken.values()), self.orders())
        if before is None:
            self.lineage.start(self.orders())
        else:
            self.before = before

    def begin(self, changed: list[str]) -> None:
        """Let go of the live process and note what the next one is for."""
        self.lineage.let_go()
        self.failure, self.is_reported, self.notice = None, True, None
        self.unanswered.clear()
        self.generation += 1
        self.changed, self.before, self.started = changed, "", time.monotonic()

    def orders(self) -> dict:
        """Return what a process must know to load or go on; see Snapshots."""
        return {
            "fresh": self.fresh,
            "watched": self.is_watched,
            "port": self.listener.getsockname()[1],
            "version": self.version(),
            "bytecode": self.bytecode,
            "debugger": self.debugger.endpoint,
        }

    # ---- what the live process says

    def hear(self, message: dict) -> None:
        self.take_records()
        for name, hear in (
            ("serving", self.hear_serving),
            ("failed", self.hear_failed),
            ("debugging", self.hear_debugging),
            ("obstacle", self.terminal.obstacle),
            ("folders", self.hear_folders),
            ("notified", self.hear_notified),
            ("used", self.lineage.warm_up),
            ("checks", self.hear_checks),
            ("declined", self.leave_to_django),
        ):
            if name in message:
                hear(message[name])

    def take_records(self) -> None:
        """Take in what the live process used, and look whether that is still so: it may have changed on the way."""
        records = self.live.journal.read() if self.live else []
        if not records:
            return
        start = len(self.trace)
        for record in records:
            self.trace.add(*record)
        keys = [key for key in self.trace.order[start:] if key in self.trace.values]
        self.files.watch(keys)
        self.files.suspect(self.trace.broken(keys))

    def hear_folders(self, folders: list[str]) -> None:
        """Watch what Django asks for. The first process says it before it serves, later ones when it is quiet."""
        self.is_watched = True
        self.files.watch_below(folders)

    def hear_serving(self, settings: dict) -> None:
        self.settings = settings
        self.live.serving, self.live.debugging = True, False
        self.ended = time.monotonic()
        milliseconds = self.note_load("")
        if self.fresh:
            self.terminal.ready(settings["url"], len(self.files.watcher.watches), len(self.lineage.snapshots))
        else:
            self.terminal.reloaded(self.changed, self.before, milliseconds)
        self.fresh = False
        self.clients.let_in()
        self.clients.tell(self.state())

    def hear_failed(self, failure: dict) -> None:
        if self.fresh and failure["refusal"]:
            # The project refuses to start, with sys.exit(): whatever starts it should know at once.
            print(failure["refusal"], file=sys.stderr)
            self.status = 1
            self.end()
        self.failure, self.is_reported = failure, False
        self.ended = time.monotonic()

    def report_failure(self) -> None:
        """Tell of an error once the files have settled: a half-written file is an error too, for a moment."""
        if self.is_reported or self.files.settling or time.monotonic() < self.ended + DOUBT:
            return
        self.is_reported = True
        self.note_load(self.failure["title"])
        self.terminal.failed(self.failure)
        self.clients.let_in()
        self.clients.tell(self.state())

    def note_load(self, error: str) -> float:
        """Keep what a load took, in ms, for the history; return it."""
        milliseconds = (self.ended - self.started) * 1000
        names = [self.terminal.name(path) for path in self.changed]
        load = {"generation": self.generation, "time": time.time(), "files": names, "ms": round(milliseconds, 1)}
        self.history.append({**load, "before": self.terminal.name(self.before), "error": error})
        return milliseconds

    def hear_debugging(self, _) -> None:
        self.live.debugging, self.is_waiting_said = True, False

    def hear_notified(self, message: dict) -> None:
        """The live process has handled the change of files that are no part of it, or can't."""
        self.unanswered.difference_update(message["files"])
        if message["restart"]:
            self.resume({message["restart"]: 0})
        else:
            self.touched += [[time.time(), path] for path in message["files"]]
            self.clients.tell(self.state())

    def hear_checks(self, message: dict) -> None:
        """Print what the checks found, unless they found the same the last time; show errors in the page too."""
        if message["text"] != self.checks:
            self.checks = message["text"]
            self.terminal.say(self.checks or "The checks have nothing more to say.")
        if message["serious"]:
            self.show("System checks", self.checks)

    def show(self, title: str, text: str) -> None:
        self.notice = {"title": title, "text": text}
        self.clients.tell(self.state())

    def installed(self, locks: list[str], error: str) -> None:
        """An installation ended: start from nothing in the new environment, or go on in the old one."""
        names = ", ".join(map(self.terminal.name, locks))
        if error:
            self.terminal.say(f"{names} could not be installed; the old environment goes on.\n{error}")
            self.show(f"{names} could not be installed", error)
        else:
            self.start(locks)

    def live_ended(self, live: Live) -> None:
        """The live process has ended: after an error it reported, or by itself."""
        if self.failure is not None:
            return
        if live.serving and time.monotonic() - self.started > DEADLY:
            self.terminal.crashed()
            self.resume({"": len(self.trace)})
        else:
            text = "The process that loads the project ended by itself: a crash, or os._exit()."
            failure = {"title": text, "path": "", "line": 0, "where": "", "frames": [], "text": text, "refusal": ""}
            self.hear_failed(failure)

    def leave_to_django(self, _) -> None:
        """DEBUG is off: let Django's own server do it."""
        self.stop()
        target = ["-m", *self.plan["argv"]] if self.plan["as_module"] else self.plan["argv"]
        command = [sys.executable, *self.plan["flags"], *target]
        os.execve(sys.executable, command, {**self.environment, b"DEVSERVER": b"stock"})

    # ---- what pages and clients are told

    def version(self) -> str:
        return f"{self.boot}.{self.generation}"

    def state(self) -> dict:
        state = "broken" if self.failure else "serving" if self.live and self.live.serving else "loading"
        return {
            "version": self.version(),
            "state": state,
            "failure": self.failure,
            "notice": self.notice,
            "touched": list(self.touched),
            "editor": self.settings["editor"],
        }

    def report(self) -> dict:
        return {
            **self.state(),
            "generation": self.generation,
            "snapshots": [self.terminal.name(snapshot.before) for snapshot in self.lineage.snapshots],
            "folders": len(self.files.watcher.watches),
            "history": list(self.history),
        }
