"""Which tests a change concerns."""

from types import SimpleNamespace

import pytest

from ...project_paths import ProjectPaths
from ...worker.selection import Test, choose, concerned
from ...worker.usage import TOP, Usage, shape_of

VIEWS = "LIMIT = 3\ndef index():\n    return LIMIT\ndef other():\n    return [each for each in 'ab']\n"
IDS = ["tests.py::a", "tests.py::b", "more.py::c"]


def code(text: str, path: str):
    return compile(text, path, "exec")


@pytest.fixture
def usage(tmp_path):
    usage = Usage(ProjectPaths(str(tmp_path)))
    usage.modules = {
        f"{tmp_path}/{name}": code(text, f"{tmp_path}/{name}")
        for name, text in {"views.py": VIEWS, "tests.py": "import views\n", "more.py": "from tests import a\n"}.items()
    }
    return usage


@pytest.fixture
def chosen(tmp_path, usage):
    """Return a function that says which tests a file concerns that was different in the last run."""
    tests = []
    for node in IDS:
        path = tmp_path / node.partition(":")[0]
        item = SimpleNamespace(nodeid=node, path=path, get_closest_marker=lambda name: None)
        tests.append(Test(item, is_function=True))

    def choose_for(name: str, before: str | None, users=None, **run):
        shape = None if before is None else shape_of(code(before, name))
        what = {
            "which": "affected", "known": IDS, "failed": [], "templates": [], "again": [],
            "changed": {f"{tmp_path}/{name}": [shape]}, "users": {f"{tmp_path}/{name}": users or {}},
        } | run  # fmt: skip
        return [test.id for test in choose(tests, what, usage)]

    return choose_for


USERS = {"index": [IDS[0]], "other": [IDS[1]], TOP: []}


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (VIEWS.replace("return LIMIT", "return LIMIT + 1"), [IDS[0]]),
        (VIEWS.replace("'ab'", "'abc'"), [IDS[1]]),
        ("\n\n" + VIEWS + "# a comment\n", []),
        (VIEWS.replace("= 3", "= 4"), [IDS[0], IDS[1], IDS[2]]),
        (VIEWS.replace("index()", "index(x=1)"), [IDS[0], IDS[1], IDS[2]]),
        (None, [IDS[0], IDS[1], IDS[2]]),
    ],
)
def test_the_inside_of_a_function_concerns_the_tests_that_ran_it(chosen, before, expected):
    assert chosen("views.py", before, USERS) == expected


def test_a_function_that_ran_while_the_project_was_loaded_concerns_all(chosen, usage, tmp_path):
    usage.loaded.add((f"{tmp_path}/views.py", "index"))

    assert chosen("views.py", VIEWS.replace("return LIMIT", "return 4"), USERS) == IDS


def test_a_module_of_tests_concerns_its_own_and_those_that_import_it(chosen):
    assert chosen("more.py", "X = 1\n") == [IDS[2]]
    assert chosen("tests.py", "X = 1\n") == IDS


def test_a_conftest_concerns_the_tests_below_its_folder(usage, tmp_path):
    nodes = {"tests.py::a": tmp_path / "tests.py", "shop/tests.py::b": tmp_path / "shop/tests.py"}
    tests = [Test(SimpleNamespace(nodeid=node, path=path), is_function=True) for node, path in nodes.items()]

    assert concerned(tests, f"{tmp_path}/shop/conftest.py", [None], {}, False, usage) == {"shop/tests.py::b"}
    assert concerned(tests, f"{tmp_path}/conftest.py", [None], {}, False, usage) == set(nodes)


def test_templates_concern_those_that_rendered_them_and_data_all(chosen, tmp_path):
    page = f"{tmp_path}/page.html"

    assert chosen("page.html", None, {"": [IDS[1]]}, templates=[page]) == [IDS[1]]
    assert chosen("data.json", None, {"": [IDS[1]]}) == [IDS[1], IDS[0], IDS[2]]


def test_failed_and_unknown_tests_run_too_failed_ones_first(chosen):
    assert chosen("more.py", "X = 1\n", failed=[IDS[1]], known=IDS[1:]) == [IDS[1], IDS[0], IDS[2]]


def test_what_is_asked_for(chosen):
    assert chosen("views.py", None, which="all") == IDS
    assert chosen("views.py", None, which="failed", failed=[IDS[2]]) == [IDS[2]]
    assert chosen("views.py", None, which="again", again=[IDS[1]]) == [IDS[1]]


def test_a_change_that_was_taken_back_is_one(chosen, tmp_path):
    """Tests may have run meanwhile, with what the file had then."""
    shapes = [shape_of(code(text, "views.py")) for text in (VIEWS, VIEWS.replace("return LIMIT", "return 4"))]

    assert chosen("views.py", VIEWS, USERS, changed={f"{tmp_path}/views.py": shapes}) == [IDS[0]]
