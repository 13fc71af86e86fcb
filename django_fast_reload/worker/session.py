"""The plugin of pytest that takes the last snapshots, chooses the tests of this run, and reports how they went."""

import atexit
import linecache
import os
import signal
import socket
import sys
import time
from contextlib import suppress

import pytest
from _pytest.mark import deselect_by_keyword

from .. import database_template, ipc
from .collecting import look
from .failures import failure_of, outcome_of
from .preparation import Preparation
from .selection import Test, choose
from .usage import Usage, shape_of

REPORT_INTERVAL = 0.1  # seconds between two messages about tests that have ended
first = pytest.hookimpl(wrapper=True, tryfirst=True)


class Session:
    """is_running: the tests of this process have begun. position: number of records of the last snapshot."""

    def __init__(self, snapshotter):
        self.snapshotter, self.recorder = snapshotter, snapshotter.recorder
        self.usage = Usage(self.recorder.project)
        self.preparation = Preparation(self.usage)
        self.recorder.on_read, self.recorder.before_debugger = self.usage.read, self.ask_for_terminal
        self.usage.start()
        snapshotter.on_pause = database_template.prepared.clear  # The process that goes on has it.
        snapshotter.on_warm, snapshotter.on_unused = self.on_warm, self.on_unused
        self.config = None
        self.is_running = self.is_cancelled = self.is_debugged = self.is_watched = False
        self.position, self.modules = 0, set()
        self.capture = ""
        self.at_end = None  # what SIGTERM does, while it is ignored
        self.errors: list[ipc.TestFailure] = []
        self.fixtures: dict[object, set] = {}  # definition of a fixture: what ran when it was set up
        self.shaped: set[str] = set()  # modules whose shapes the supervisor has
        self.empty_batch()

    # ---- before the tests

    @first
    def pytest_load_initial_conftests(self, early_config):
        # Runs write there.
        cache = f"{early_config.rootpath / early_config.getini('cache_dir')}/"
        self.recorder.ignored = (cache, f"{self.snapshotter.orders.bytecode}/")
        options = early_config.known_args_namespace
        self.capture = options.capture
        if self.capture == "fd":
            options.capture = "sys"  # The other has files, which copies of a process would share.
        if getattr(options, "cov_source", None):
            options.cov_source = []  # Some of the tests cover some of the code.
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config):
        self.config = config
        config.option.verbose -= 2  # no header, no counts: the supervisor has the last word
        if hasattr(config.option, "numprocesses"):
            config.option.numprocesses = 0
            config.option.distload = False

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self):
        django = sys.modules.get("django.conf")
        if django is not None and django.settings.configured:
            import django.test
        self.modules = set(sys.modules)

    @first
    def pytest_collect_directory(self, path):
        look(self.recorder, str(path))  # With an __init__.py it is collected in another way.
        return (yield)

    def pytest_collectreport(self, report):
        if report.failed:
            self.errors.append(failure_of(report, self.recorder.project))

    @first
    def pytest_runtestloop(self, session):
        config = session.config
        if not session.testsfailed or config.option.continue_on_collection_errors:
            self.prepare(session)
            self.snapshotter.checkpoint("", is_needed=True)
            if self.prepare(session):  # The snapshot was of a run that did without.
                self.snapshotter.checkpoint("", is_needed=True)
            self.position = self.recorder.count
        self.begin(session)
        return (yield)

    def prepare(self, session) -> bool:
        """Load ahead what the tests of this run need for their first request; return whether that was done now.

        Where that fails, the supervisor goes on from before it: the tests that need it have the error.
        """
        run, preparation = self.snapshotter.orders.run, self.preparation
        if not preparation.is_possible(session.config) or not run["is_prepared"]:
            return False
        # In this order: to choose by what is not there, modules would be read, and the process would have used them.
        is_clear = run["which"] != "keyword" and preparation.is_all_there(run)
        if is_clear and {test.nodeid for test in self.chosen(session, run)} <= set(run["plain"]):
            return False
        before = self.recorder.count
        try:
            preparation.load(session.config, before)
        except BaseException:
            self.recorder.flush()
            self.recorder.send(ipc.Unprepared(before))
            ipc.receive(self.recorder.sock)
            os._exit(0)
        return True

    def begin(self, session) -> None:
        recorder, run = self.recorder, self.snapshotter.orders.run
        recorder.flush()
        recorder.is_testing = self.is_running = self.snapshotter.is_paused = True
        self.snapshotter.finish()
        self.shaped = set(run["shaped"])
        ids = [item.nodeid for item in session.items]
        session.items[:] = self.chosen(session, run)
        session.testscollected = len(session.items)
        chosen = [item.nodeid for item in session.items]
        recorder.send(ipc.Collected(ids, chosen, self.new_shapes(), self.preparation.report))
        self.is_watched = self.preparation.is_possible(session.config) and run["is_prepared"]
        atexit._clear()  # What is there belongs to the snapshots as well; at the end only this run's handlers are due.
        signal.signal(signal.SIGINT, self.on_signal)
        if self.at_end is not None:
            signal.signal(signal.SIGTERM, self.at_end)
        recorder.send(ipc.Serving())
        self.reset(session.config)
        database_template.install(suffix(), self.snapshotter.orders.bytecode)
        if "django.test.signals" in sys.modules:
            sys.modules["django.test.signals"].template_rendered.connect(self.on_rendered)
        self.started = self.reported = time.perf_counter()

    def chosen(self, session, run: dict) -> list[pytest.Item]:
        if run["which"] == "keyword":
            items = list(session.items)
            session.config.option.keyword = run["keyword"]
            deselect_by_keyword(items, session.config)
            return items
        tests = [Test(item, isinstance(item, pytest.Function)) for item in session.items]
        return [test.item for test in choose(tests, run, self.usage)]

    def reset(self, config) -> None:
        """Make this run's own of what pytest made when the session began."""
        linecache.clearcache()  # A snapshot may remember the lines of an older file.
        capture, self.reporter = map(config.pluginmanager.getplugin, ("capturemanager", "terminalreporter"))
        if capture is not None and self.capture == "fd":
            capture.stop_global_capturing()
            capture._method = "fd"
            capture.start_global_capturing()
            capture.suspend_global_capture()
        if hasattr(self.reporter, "_session_start"):
            self.reporter._session_start = type(self.reporter._session_start)()

    def new_shapes(self) -> dict[str, dict]:
        """Return the shapes of modules that the supervisor doesn't have."""
        found = {path: shape_of(code) for path, code in self.usage.modules.items() if path not in self.shaped}
        self.shaped |= found.keys()
        return found

    def on_warm(self, orders: ipc.Warm) -> None:
        """Make the test databases of the next run: this process may become the one that runs it."""
        apps = sys.modules.get("django.apps")
        if orders.databases and apps is not None and apps.apps.ready:
            self.at_end = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # What was made is dropped first.
            with suppress(Exception), self.databases():
                database_template.prepare(orders.databases, suffix())

    def on_unused(self) -> None:
        with suppress(Exception), self.databases():
            database_template.discard()

    def databases(self):
        """Allow the use of databases, which pytest-django allows to tests alone."""
        from pytest_django.plugin import blocking_manager_key

        return self.config.stash[blocking_manager_key].unblock()

    # ---- while they run

    @first
    def pytest_runtest_protocol(self, item):
        used, before = set(), self.preparation.uses()
        with self.usage.collect(used):
            result = yield
        if self.is_watched and self.preparation.is_missed():
            self.begin_again(item.nodeid)
        self.uses[item.nodeid] = used
        if self.preparation.uses() == before:
            self.plain.append(item.nodeid)
        if time.perf_counter() - self.reported > REPORT_INTERVAL:
            self.report()
        return result

    @first
    def pytest_fixture_setup(self, fixturedef):
        with self.usage.collect(self.fixtures.setdefault(fixturedef, set())):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item):
        """Add what ran when the fixtures of the test were set up, perhaps for an earlier test."""
        definitions = getattr(getattr(item, "_request", None), "_fixture_defs", {})
        for definition in definitions.values():
            self.usage.current |= self.fixtures.get(definition, set())

    def pytest_runtest_logreport(self, report):
        outcome = outcome_of(report)
        if outcome and (report.failed or report.nodeid not in self.failures):
            self.outcomes[report.nodeid] = outcome
        if report.failed:
            self.failures.setdefault(report.nodeid, failure_of(report, self.recorder.project))

    def on_rendered(self, template, **kwargs) -> None:
        name = str(getattr(template.origin, "name", ""))
        path = self.recorder.project.locate(os.path.abspath(name), data=True)
        if path and os.path.isfile(path):
            self.usage.read(path)
            self.templates.add(path)
        self.preparation.rendered += 1

    def report(self) -> None:
        uses = {}
        for test, used in self.uses.items():
            uses[test] = files = {}
            for path, name in used:
                files.setdefault(path, []).append(name)
        self.recorder.flush()
        self.recorder.send(ipc.Tested(self.outcomes, self.failures, uses, sorted(self.templates), self.plain))
        self.empty_batch()

    def empty_batch(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.failures: dict[str, ipc.TestFailure] = {}
        self.uses: dict[str, set] = {}
        self.templates: set[str] = set()
        self.plain: list[str] = []
        self.reported = time.perf_counter()

    def on_signal(self, *_) -> None:
        """Stop where the supervisor says so: else it was Control-C, which reaches every process of a terminal."""
        try:
            message, _ = ipc.receive(self.recorder.sock, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if isinstance(message, ipc.Retire | ipc.Stop | None):
            self.cancel()

    def begin_again(self, test: str) -> None:
        """Have this run cancelled, and begun again with what a test has just loaded: others would use it unnoticed."""
        self.recorder.flush()
        self.recorder.send(ipc.Needy(test, self.position))
        while True:
            time.sleep(0.01)  # The signal ends it.

    def cancel(self) -> None:
        self.is_cancelled = True
        if self.reporter is not None:
            self.reporter._tw._file = open(os.devnull, "w")  # noqa: SIM115 (to the end of this process)
        # A debugger takes a KeyboardInterrupt for its own.
        raise pytest.exit.Exception("The run is cancelled.") if self.is_debugged else KeyboardInterrupt

    def ask_for_terminal(self) -> None:
        """Wait until the supervisor reads no keys there: else it takes some of those that are meant for a debugger."""
        self.is_debugged = True
        if not isinstance(ipc.receive(self.recorder.sock)[0], ipc.Current):
            self.cancel()

    def pytest_leave_pdb(self) -> None:
        self.is_debugged = False
        if self.is_running:
            signal.signal(signal.SIGINT, self.on_signal)  # The debugger has set its own.

    def finish(self) -> None:
        signal.signal(signal.SIGINT, lambda *_: None)
        self.report()
        self.recorder.send(ipc.Finished(time.perf_counter() - self.started, self.errors, self.new_shapes()))


def suffix() -> str:
    """Return the end of the names of this run's databases."""
    return f"_watch_{os.getpid()}"
