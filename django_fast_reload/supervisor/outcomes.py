"""How each test went the last time, and what it used: what a run needs to know to choose its tests."""

from .. import ipc

GOOD = ("passed", "skipped", "xfailed", "xpassed")


class Outcomes:
    def __init__(self):
        self.known: dict[str, str] = {}  # test: outcome
        self.failures: dict[str, ipc.TestFailure] = {}
        self.errors: list[ipc.TestFailure] = []  # of the collection
        self.used: dict[str, dict[str, list[str]]] = {}  # test: {path: functions}
        self.shapes: dict[str, dict] = {}  # of modules, see worker/usage.py
        self.templates: set[str] = set()
        self.prepared: list[str] = []  # files of which something runs before the tests, for their first request
        self.plain: set[str] = set()  # tests that use nothing of it
        self.needy: set[str] = set()  # those that once did, after all
        self.changed: dict[str, list] = {}  # since the last complete run: the shapes that each file had meanwhile
        self.seconds = 0.0  # that the tests of the last run took
        self.chosen: list[str] = []  # of the last run
        self.ran: set[str] = set()  # in this run so far

    def run(self, changed: list[str], which: str, keyword: str = "", is_prepared: bool = True) -> dict:
        """Return what a worker needs to choose its tests.

        which: "affected", "all", "failed", "again" or "keyword".
        """
        for path in filter(None, changed):
            self.changed.setdefault(path, []).append(self.shapes.pop(path, None))
        return {
            "which": which,
            "keyword": keyword,
            "again": self.chosen if which == "again" else [],
            "is_prepared": is_prepared,
            "changed": self.changed,
            "users": {path: self.users(path) for path in self.changed},
            "templates": sorted(self.templates & self.changed.keys()),
            "known": list(self.known),
            "failed": list(self.failures),
            "shaped": list(self.shapes),
            "prepared": self.prepared,
            "plain": sorted(self.plain),
        }

    def users(self, path: str) -> dict[str, list[str]]:
        """Return the tests that used a file, by function."""
        found: dict[str, list[str]] = {}
        for test, used in self.used.items():
            for name in used.get(path, ()):
                found.setdefault(name, []).append(test)
        return found

    def on_collected(self, message: ipc.Collected) -> None:
        self.shapes |= message.shapes
        self.chosen, self.ran = message.chosen, set()
        self.prepared = message.prepared.get("paths", self.prepared)
        there = set(message.tests)
        for of_tests in (self.known, self.failures, self.used):
            for test in of_tests.keys() - there:  # They were deleted or renamed.
                del of_tests[test]

    def on_tested(self, message: ipc.Tested) -> None:
        self.ran |= message.outcomes.keys()
        for test, outcome in message.outcomes.items():
            self.known[test] = outcome
            self.failures.pop(test, None)
        self.failures |= message.failures
        self.used |= message.uses
        self.templates.update(message.templates)
        self.plain = (self.plain - message.uses.keys()) | (set(message.plain) - self.needy)

    def on_needy(self, message: ipc.Needy) -> None:
        self.needy.add(message.test)
        self.plain.discard(message.test)

    def on_finished(self, message: ipc.Finished) -> None:
        self.shapes |= message.shapes
        self.errors, self.seconds = message.errors, message.seconds
        if not self.errors and self.ran >= set(self.chosen):
            self.changed.clear()

    def counts(self) -> dict[str, int]:
        """Return the number of tests of this run by outcome."""
        found: dict[str, int] = {}
        for test in self.chosen:
            if test in self.ran:
                found[self.known[test]] = found.get(self.known[test], 0) + 1
        return found

    def verdict(self, run: int) -> dict:
        """Return what pages and the status say. run: number of the load that the tests ran in."""
        return {
            "run": run,
            "state": "red" if self.errors or self.failures else "green",
            "seconds": self.seconds,
            "counts": self.counts() | ({"errors in files": len(self.errors)} if self.errors else {}),
            "failures": [*self.errors, *self.failures.values()],
        }
