"""Which tests a change concerns. Where that is not certain, more of them."""

import os
from collections.abc import Iterable

from .usage import TOP, Usage

EMPTYING = {"transactional_db", "live_server", "django_db_reset_sequences", "django_db_serialized_rollback"}


class Test:
    """A collected test.

    item: pytest's own object. is_function: it is a function of its file, which is not so for doctests.
    """

    __test__ = False

    def __init__(self, item, is_function: bool):
        self.item, self.id, self.path, self.is_function = item, item.nodeid, str(item.path), is_function

    def empties(self) -> bool:
        """Tell whether the database is empty behind this test, also of what migrations put there."""
        mark = self.item.get_closest_marker("django_db")
        if (mark and mark.kwargs.get("transaction")) or not EMPTYING.isdisjoint(getattr(self.item, "fixturenames", ())):
            return True
        names = [base.__name__ for base in getattr(getattr(self.item, "cls", None), "__mro__", ())]
        return "TransactionTestCase" in names and "TestCase" not in names[: names.index("TransactionTestCase")]


def choose(tests: list[Test], run: dict, usage: Usage) -> list[Test]:
    """Return the tests to run: failed ones first, then those that used what changed, then the others.

    As pytest-django has it, those that leave the database empty come behind all others.

    run: see Outcomes.run.
    """
    failed = set(run["failed"])
    strong, chosen = set(), set(failed)
    if run["which"] == "all":
        chosen = {test.id for test in tests}
    elif run["which"] == "again":
        chosen = set(run["again"])
    elif run["which"] == "affected":
        chosen |= {test.id for test in tests}.difference(run["known"])
        for path, before in run["changed"].items():
            users = run["users"].get(path, {})
            strong.update(*users.values())
            chosen |= concerned(tests, path, before, users, path in run["templates"], usage)
    found = [test for test in tests if test.id in chosen]
    return sorted(found, key=lambda test: (test.empties(), test.id not in failed, test.id not in strong))


def concerned(tests: list[Test], path: str, before: list, users: dict, is_template: bool, usage: Usage) -> set[str]:
    """Return the ids of the tests that a change of one file concerns.

    before: the shapes that the file had in the runs since the last complete one; None for one that is not known.
    users: function: ids of the tests that ran it.
    """
    everything = {test.id for test in tests}
    # A doctest's text is in a docstring, which may be anywhere in the file.
    own = {test.id for test in tests if test.path == path and not test.is_function}
    if is_template:
        return own.union(*users.values())
    if not path.endswith(".py"):
        return everything
    changed = differences(before, usage.shape(path))
    if changed is not None and TOP not in changed and not any((path, name) in usage.loaded for name in changed):
        return own.union(*(users.get(name, ()) for name in changed))
    if os.path.basename(path) == "conftest.py":
        folder = os.path.dirname(path) + "/"
        return {test.id for test in tests if test.path.startswith(folder)}
    files = {test.path for test in tests}
    importers = usage.importers(path) if path in files else {""}
    if importers <= files:
        return {test.id for test in tests if test.path == path or test.path in importers}
    return everything


def differences(before: Iterable, now: dict[str, str] | None) -> set[str] | None:
    """Return the names of the functions that differ from at least one of the shapes; None where that is not known."""
    if now is None or None in before:
        return None
    return {name for shape in before for name, _ in shape.items() ^ now.items()}
