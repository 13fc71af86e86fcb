"""The first process: owns the socket, watches the files, and decides which process answers.

Standard library only and one thread, so that nothing the project does can end it.
"""

import errno
import json
import os
import selectors
import socket
import sys
import time
from collections import deque

from . import channel
from .answers import Visitor, error_page, is_reserved
from .processes import Live, Snapshot, become_reaper, kill, spawn, stop_all
from .project import Project
from .terminal import Terminal
from .trace import Trace
from .watcher import ISDIR, OVERFLOW, Settling, Watcher, is_native

TICK = 1.0  # seconds between two looks at the files' stat, in case an event was lost
HOT = 8  # files that were edited last and get a snapshot of their own
SNAPSHOTS = 16
GIT_LOCK_AGE = 10.0  # seconds after which .git/index.lock was left behind by a git that died
RETRY = 0.005  # seconds
DOUBT = 0.04  # seconds before an error is believed: a writer may have been stopped between truncating and writing
DEADLY = 1.0  # seconds within which a server that ends by itself is not started again

BIND_ERRORS = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}


def supervise(plan: dict, environment: dict[bytes, bytes]) -> int:
    """Run the server of `plan` (see entry.make_plan) until a signal; return the exit status."""
    try:
        listener = listen(plan["address"], plan["port"], plan["ipv6"])
    except OSError as error:
        print(f"Error: {BIND_ERRORS.get(error.errno, error)}", file=sys.stderr)
        return 1
    return Supervisor(plan, environment, listener).run()


def listen(address: str, port: int, ipv6: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(128)
    listener.setblocking(False)
    return listener


class Supervisor:
    def __init__(self, plan: dict, environment: dict[bytes, bytes], listener: socket.socket):
        self.plan, self.environment, self.listener = plan, environment, listener
        self.project = Project(plan["root"])
        self.terminal = Terminal(self.project.root)
        self.loop = selectors.EpollSelector()
        self.is_native = is_native(self.project.root)
        self.watcher, self.settling = Watcher(), Settling(self.is_native)
        self.trace = Trace()
        self.signatures: dict[str, tuple] = {}
        self.snapshots: list[Snapshot] = []
        self.live: Live | None = None
        self.retired: set[Live] = set()
        self.failure: dict | None = None
        self.is_reported = False
        self.failed_at = 0.0
        self.fresh = True
        self.hot: list[str] = []
        self.changed: list[str] = []  # what the load under way is for
        self.before = ""
        self.started = 0.0
        self.waiting: deque[socket.socket] = deque()
        self.visitors: set[Visitor] = set()
        self.watched_for_django: list[str] = []
        self.unanswered: set[str] = set()  # files that the live process was told of and has not confirmed
        self.history: deque[dict] = deque(maxlen=50)
        self.generation = 0
        self.checks = ""
        self.late: dict[str, None] = {}  # modules that requests imported, in order
        self.settings = {"url": "", "editor": ""}
        self.next_tick = time.monotonic() + TICK
        self.ending = False

    # ---- the loop

    def run(self) -> int:
        become_reaper()
        with self.terminal.signals(self.end) as wakeup:
            self.loop.register(wakeup, selectors.EVENT_READ, self.terminal.forget_wakeups)
            self.loop.register(self.listener, selectors.EVENT_READ, self.accept)
            self.loop.register(self.watcher, selectors.EVENT_READ, self.examine)
            self.start([])
            while not self.ending:
                for key, _ in self.loop.select(self.timeout()):
                    key.data()
                self.examine()
                self.report_failure()
                self.let_in()
                if time.monotonic() >= self.next_tick:
                    self.tick()
        self.stop()
        return 0

    def stop(self) -> None:
        self.listener.close()
        stop_all(self.live, self.snapshots, self.retired)

    def end(self) -> None:
        self.ending = True

    def timeout(self) -> float:
        """Return the seconds until something is due without any event."""
        now = time.monotonic()
        due = self.settling.due()
        times = [self.next_tick] if due is None else [self.next_tick, max(due, now + RETRY if due < now else due)]
        if self.failure is not None and not self.is_reported:
            times.append(self.failed_at + DOUBT)
        if self.waiting and self.live and self.live.serving:
            times.append(now + RETRY)
        return max(0.0, min(times) - now)

    def tick(self) -> None:
        """Look at the files themselves, as a safety net for lost events; reap; drop clients that linger."""
        started = time.monotonic()
        signatures = {path: stat_of(path) for path in self.trace.places()}
        for path in [path for path, seen in signatures.items() if self.signatures.get(path, seen) != seen]:
            self.settling.note(path, 0, started)
        self.signatures = signatures
        for visitor in [visitor for visitor in self.visitors if visitor.is_over(started)]:
            self.dismiss(visitor)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        # A project of thousands of files is looked at less often, which keeps the idle server idle.
        self.next_tick = started + max(TICK, 500 * (time.monotonic() - started))

    # ---- the barrier

    def examine(self) -> bool:
        """Take in all that happened to the files so far; return whether the live process is up to date."""
        now = time.monotonic()
        for path, mask in self.watcher.drain():
            if mask & OVERFLOW:
                for _, path in list(self.trace.values):
                    self.settling.note(path, 0, now)
                continue
            if mask & ISDIR:
                self.watcher.forget(path)
                self.watch_folders()
            self.touch(path, mask)
        due = self.settling.due()
        if due is not None and due <= now and not self.is_git_busy() and not (self.live and self.live.debugging):
            self.judge(self.settling.take())
        return not self.settling and not self.unanswered and self.live is not None and self.live.serving

    def touch(self, path: str, mask: int) -> None:
        """Note an event if the live process or Django may want to know of it. A log must hold up nothing."""
        if self.trace.related(path, bool(mask & ISDIR)) or path.startswith(tuple(self.watched_for_django)):
            self.settling.note(path, mask, time.monotonic())

    def is_git_busy(self) -> bool:
        """Tell whether git is changing files: a checkout is to be one reload."""
        try:
            status = os.stat(f"{self.project.root}/.git/index.lock")
        except OSError:
            return False
        return time.time() - status.st_mtime < GIT_LOCK_AGE

    def judge(self, paths: set[str]) -> None:
        """Decide what changed files mean: another process, a word to the live one, or nothing."""
        broken = {}
        for path in paths:
            keys = self.trace.related(path, os.path.isdir(path) or not os.path.exists(path))
            found = self.trace.broken(keys)
            if not found and keys and self.failure:
                found = {path: min(self.trace.values[key][0] for key in keys)}  # Saving again asks to try again.
            broken |= found
        if broken:
            self.resume(broken)
        elif self.live and self.live.serving:
            news = [path for path in paths if path.startswith(tuple(self.watched_for_django))]
            if news and self.live.tell({"changed": news}):
                self.unanswered = set(news)

    # ---- processes

    def start(self, changed: list[str]) -> None:
        """Start from nothing, in a fresh interpreter."""
        self.begin(changed, "")
        self.trace.truncate(0)
        for snapshot in self.snapshots:
            self.drop(snapshot)
        self.snapshots.clear()
        self.live = spawn(self.plan, self.environment, self.orders())
        self.loop.register(self.live.sock, selectors.EVENT_READ, self.hear_live)

    def resume(self, broken: dict[str, int]) -> None:
        """Go on from the latest snapshot that was taken before anything in `broken` was used."""
        position = min(broken.values())
        changed = sorted(broken)
        self.hot = ([path for path in self.hot if path not in broken] + changed)[-HOT:]
        for snapshot in [snapshot for snapshot in self.snapshots if snapshot.position > position]:
            self.snapshots.remove(snapshot)
            self.drop(snapshot)
        while self.snapshots:
            snapshot = self.snapshots[-1]
            self.begin(changed, snapshot.before)
            self.trace.truncate(snapshot.position)
            live = snapshot.resume(self.orders())
            if live is not None:
                self.live = live
                self.loop.register(live.sock, selectors.EVENT_READ, self.hear_live)
                return
            self.snapshots.remove(snapshot)
            self.drop(snapshot)
        self.start(changed)

    def begin(self, changed: list[str], before: str) -> None:
        """Let go of the live process and note what the next one is for."""
        if self.live is not None:
            self.loop.unregister(self.live.sock)
            self.retire(self.live)
            self.live = None
        self.failure = None
        self.unanswered.clear()
        self.changed, self.before, self.started = changed, before, time.monotonic()

    def retire(self, live: Live) -> None:
        """End a process: at once while it loads, after the requests it has when it serves."""
        if live.serving:
            live.sock.shutdown(socket.SHUT_WR)
            self.retired.add(live)
            self.loop.register(live.sock, selectors.EVENT_READ, lambda: self.hear_retired(live))
        else:
            kill(live.pid)
            live.sock.close()

    def hear_retired(self, live: Live) -> None:
        if channel.receive(live.sock)[0] is None:
            self.loop.unregister(live.sock)
            live.sock.close()
            self.retired.discard(live)

    def orders(self) -> dict:
        return {"hot": self.hot, "fresh": self.fresh, "port": self.listener.getsockname()[1]}

    def drop(self, snapshot: Snapshot) -> None:
        self.loop.unregister(snapshot.sock)
        snapshot.sock.close()

    def add_snapshot(self, message: dict, fd: int) -> None:
        snapshot = Snapshot(socket.socket(fileno=fd), message["snapshot"], message["before"])
        self.snapshots.append(snapshot)
        self.loop.register(snapshot.sock, selectors.EVENT_READ, lambda: self.lose(snapshot))
        if len(self.snapshots) > SNAPSHOTS:
            # The one that saves least: it was taken soonest after the one before it. The first stays.
            pairs = zip(self.snapshots, self.snapshots[1:], strict=False)
            gaps = [
                (late.time - early.time, late.position, late) for early, late in pairs if late.before not in self.hot
            ]
            if gaps:
                spare = min(gaps, key=lambda gap: gap[:2])[2]
                self.snapshots.remove(spare)
                self.drop(spare)

    def warm_up(self) -> None:
        """Have a copy of the snapshot that the next edit is most likely to need stand by."""
        likely = [snapshot for snapshot in self.snapshots if snapshot.before in self.hot[-1:]]
        for snapshot in (likely or self.snapshots)[-1:]:
            snapshot.warm(list(self.late))

    def lose(self, snapshot: Snapshot) -> None:
        """A snapshot ended by itself: it was killed, or memory ran out."""
        if snapshot in self.snapshots:
            self.snapshots.remove(snapshot)
            self.drop(snapshot)

    # ---- what the live process says

    def hear_live(self) -> None:
        live = self.live
        message, fds = channel.receive(live.sock)
        if message is None:
            self.live_ended(live)
            return
        live.pid = message.get("pid", live.pid)
        if "records" in message:
            self.add_records(message["records"])
        elif "snapshot" in message:
            self.add_snapshot(message, fds[0])
        elif "serving" in message:
            self.serving(message)
        elif "failed" in message:
            self.failed(message["failed"])
        elif "debugging" in message:
            live.debugging = True
        elif "obstacle" in message:
            self.terminal.obstacle(message["before"], message["obstacle"])
        elif "folders" in message:
            self.watched_for_django = [folder + "/" for folder in message["folders"]]
            self.watch_folders()
        elif "notified" in message:
            self.unanswered.difference_update(message["notified"])
            if message["restart"]:
                self.resume({message["restart"]: 0})
            self.let_in()
        elif "late" in message:
            self.late.update(dict.fromkeys(message["late"]))
            self.warm_up()
        elif "checks" in message:
            self.hear_checks(message["checks"].strip())
        elif "declined" in message:
            self.leave_to_django()

    def add_records(self, records: list[list[str]]) -> None:
        """Take in what the live process used, and look whether that is still so: it may have changed on the way."""
        start = len(self.trace)
        for record in records:
            self.trace.add(*record)
        keys = [key for key in self.trace.order[start:] if key in self.trace.values]
        for folder in self.trace.folders(keys):
            self.watcher.watch(folder)
        now = time.monotonic()
        for path in self.trace.broken(keys):
            self.settling.note(path, 0, now)

    def watch_folders(self) -> None:
        for folder in self.trace.folders(self.trace.values):
            self.watcher.watch(folder)
        for folder in self.watched_for_django:
            for place, folders, _ in os.walk(folder):
                folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
                self.watcher.watch(place.rstrip("/"))

    def serving(self, message: dict) -> None:
        self.live.serving = True
        self.live.debugging = False
        self.settings = {name: message[name] for name in self.settings}
        milliseconds = (time.monotonic() - self.started) * 1000
        self.note_load(milliseconds, "")
        if self.fresh:
            self.terminal.ready(self.settings["url"], len(self.watcher.watches), len(self.snapshots))
        else:
            self.terminal.reloaded(self.changed, self.before, milliseconds)
        self.fresh = False
        self.let_in()

    def failed(self, failure: dict) -> None:
        self.failure = failure
        self.is_reported = False
        self.failed_at = time.monotonic()

    def report_failure(self) -> None:
        """Tell of an error once the files have settled: a half-written file is an error too, for a moment."""
        if self.failure is None or self.is_reported or self.settling or time.monotonic() < self.failed_at + DOUBT:
            return
        self.is_reported = True
        self.note_load((self.failed_at - self.started) * 1000, self.failure["title"])
        self.terminal.failed(self.failure)
        self.let_in()

    def hear_checks(self, text: str) -> None:
        """Print what the checks found, unless they found the same the last time."""
        if text != self.checks:
            self.checks = text
            self.terminal.say(text or "The checks have nothing more to say.")

    def note_load(self, milliseconds: float, error: str) -> None:
        self.generation += 1
        names = [os.path.relpath(path, self.project.root) for path in self.changed]
        load = {"generation": self.generation, "time": time.time(), "files": names, "before": self.before}
        self.history.append({**load, "ms": round(milliseconds, 1), "error": error})
        self.tell_visitors()

    def live_ended(self, live: Live) -> None:
        """The live process closed its connection: after an error it reported, or by itself."""
        self.loop.unregister(live.sock)
        live.sock.close()
        self.live = None
        if self.failure is not None:
            return
        if live.serving and time.monotonic() - self.started > DEADLY:
            self.terminal.crashed()
            self.resume({"the server, which ended by itself,": len(self.trace)})
        else:
            text = "The process that loads the project ended by itself: a crash, or os._exit()."
            self.failed({"title": text, "path": "", "line": 0, "where": "", "frames": [], "text": text})

    def leave_to_django(self) -> None:
        """DEBUG is off: let Django's own server do it."""
        self.stop()
        environment = {**self.environment, b"DEVSERVER": b"stock"}
        target = ["-m", *self.plan["argv"]] if self.plan["as_module"] else self.plan["argv"]
        os.execve(sys.executable, [sys.executable, *self.plan["flags"], *target], environment)

    # ---- clients

    def accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return  # The client has gone, or there is no descriptor left: the next round tries again.
        self.wait_for_request(connection)

    def wait_for_request(self, connection: socket.socket) -> None:
        """Pass the barrier only when the request itself is here: browsers open connections long before."""
        try:
            start = connection.recv(32, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self.loop.register(connection, selectors.EVENT_READ, lambda: self.readable(connection))
            return
        except OSError:
            start = b""
        self.admit(connection, start)

    def readable(self, connection: socket.socket) -> None:
        self.loop.unregister(connection)
        self.wait_for_request(connection)

    def admit(self, connection: socket.socket, start: bytes) -> None:
        if not start:
            connection.close()
        elif is_reserved(start):
            self.greet(connection)
        else:
            self.waiting.append(connection)
            self.let_in()

    def let_in(self) -> None:
        """Hand the waiting connections to the live process, or answer them with the error."""
        while self.waiting:
            if self.examine():
                if not self.live.hand_over(self.waiting[0]):
                    return
                self.waiting.popleft().close()
            elif self.failure is not None and self.is_reported and not self.settling:
                self.greet(self.waiting.popleft())
            else:
                return

    def greet(self, connection: socket.socket) -> None:
        """Answer a request here: the error page, or one of the server's own addresses."""
        visitor = Visitor(connection)
        self.visitors.add(visitor)
        self.loop.register(connection, selectors.EVENT_READ, lambda: self.listen_to(visitor))
        self.listen_to(visitor)

    def listen_to(self, visitor: Visitor) -> None:
        request = visitor.read()
        if visitor.gone:
            self.dismiss(visitor)
        elif request is not None:
            self.answer(visitor, *request)

    def answer(self, visitor: Visitor, method: str, path: str, headers: dict[str, str]) -> None:
        if not is_reserved(f"{method} {path}".encode()):
            if self.failure is None:
                visitor.send("503 Service Unavailable", "text/plain", "The server is starting.\n")
            else:
                page = error_page(self.failure, headers, self.settings["editor"], self.generation)
                visitor.send("500 Internal Server Error", *page)
        elif path.endswith("/events"):
            visitor.stream(self.state())
        elif path.endswith("/status"):
            names = [self.terminal.name(snapshot.before) for snapshot in self.snapshots]
            state = {**self.state(), "points": names, "history": list(self.history), "failure": self.failure}
            visitor.send("200 OK", "application/json", json.dumps(state))
        elif path.endswith("/retry") and method == "POST" and headers.get("sec-fetch-site", "none") != "cross-site":
            self.start(["by hand"])
            visitor.send("202 Accepted", "text/plain", "Starting from nothing.\n")
        else:
            visitor.send("404 Not Found", "text/plain", "There is nothing at this address.\n")

    def dismiss(self, visitor: Visitor) -> None:
        self.visitors.discard(visitor)
        self.loop.unregister(visitor.connection)
        visitor.connection.close()

    def state(self) -> dict:
        state = "broken" if self.failure else "serving" if self.live and self.live.serving else "loading"
        return {"generation": self.generation, "state": state, "snapshots": len(self.snapshots)}

    def tell_visitors(self) -> None:
        for visitor in self.visitors:
            if visitor.streaming:
                visitor.push(self.state())


def stat_of(path: str) -> tuple:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
