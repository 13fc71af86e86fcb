"""An error is described by the developer's own lines."""

import sys

import pytest

from ...project_paths import ProjectPaths
from ...worker.error_report import MAX_MESSAGE, MAX_TEXT, describe

BROKEN = """\
def outer():
    inner()


def inner():
    raise ValueError("wrong")


outer()
"""


@pytest.fixture
def fail(tmp_path):
    """Return a function that runs a source as a file of the project and describes its error."""

    def run(source, name="app/views.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        try:
            exec(compile(source, str(path), "exec"), {"__name__": "app.views"})
        except BaseException as error:
            return describe(error, ProjectPaths(str(tmp_path)))
        pytest.fail("there was no error")

    return run


def test_the_innermost_line_comes_first(fail):
    failure = fail(BROKEN)

    assert failure["title"] == "ValueError: wrong"
    assert (failure["where"], failure["line"]) == ("app/views.py", 6)
    assert [(frame["line"], frame["name"]) for frame in failure["frames"]] == [
        (6, "inner"),
        (2, "outer"),
        (9, "<module>"),
    ]
    assert [6, '    raise ValueError("wrong")'] in failure["frames"][0]["source"]
    assert failure["refusal"] == ""


def test_frames_of_libraries_are_named_as_such(fail):
    failure = fail("import json\njson.loads('{')\n")

    assert [frame["library"] for frame in failure["frames"]] == ["Python", "Python", "Python", ""]
    assert failure["frames"][0]["where"].endswith("/json/decoder.py")
    assert failure["where"] == "app/views.py"


def test_frames_of_import_are_left_out(fail):
    failure = fail("import importlib\nimportlib.import_module('app.nothing')\n")

    assert [frame["where"] for frame in failure["frames"] if not frame["library"]] == ["app/views.py"]
    assert "<frozen" not in str(failure["frames"])


def test_columns_are_counted_in_letters(fail):
    failure = fail("X = 'é' + undefined\n")

    assert [(frame["column"], frame["end"]) for frame in failure["frames"]] == [(11, 20)]


def test_a_syntax_error_is_shown_where_it_is(fail):
    failure = fail("X = 1\nX = = 2\n")

    assert (failure["title"], failure["where"], failure["line"]) == ("SyntaxError: invalid syntax", "app/views.py", 2)


def test_a_refusal_is_told_from_an_error(fail):
    failure = fail("import sys\nsys.exit('SECRET_KEY is not set')\n")

    assert failure["refusal"] == "SECRET_KEY is not set"
    assert failure["title"] == "SystemExit: the project ended the process with 'SECRET_KEY is not set'"


def test_the_error_behind_an_exit_is_the_one_to_show(fail):
    failure = fail("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise SystemExit(1)\n")

    assert (failure["title"], failure["line"]) == ("ZeroDivisionError: division by zero", 2)


def test_the_cause_is_shown_too(fail):
    failure = fail("try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('no a') from error\n")

    assert failure["title"] == "ValueError: no a"
    assert [frame["line"] for frame in failure["frames"]] == [4, 2]
    assert "direct cause" in failure["text"]


def test_manage_py_of_any_name_comes_last(fail, tmp_path, monkeypatch):
    path = tmp_path / "app/run.py"
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(path), raising=False)
    other = tmp_path / "other.py"
    other.write_text("def call(function):\n    function()\n")

    failure = fail(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport other\nsys.path.pop(0)\n"
        "def broken():\n    1 / 0\nother.call(broken)\n",
        "app/run.py",
    )

    assert [frame["where"] for frame in failure["frames"]] == ["app/run.py", "other.py", "app/run.py"]
    assert failure["frames"][-1]["name"] == "<module>"


def test_an_endless_message_is_cut(fail):
    failure = fail("raise ValueError('x' * 100_000)\n")

    assert len(failure["title"]) == len("ValueError: ") + MAX_MESSAGE
    assert len(failure["text"]) == MAX_TEXT
