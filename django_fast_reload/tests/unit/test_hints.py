"""The usual mistakes, and what to do about them."""

import sys
from types import SimpleNamespace

import pytest

from ...project_paths import ProjectPaths
from ...worker.error_report import describe


@pytest.fixture
def hint(tmp_path, monkeypatch):
    """Return a function that runs a source as a module of the project and returns the hint of its error."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hinted").mkdir()
    (tmp_path / "hinted/__init__.py").touch()
    (tmp_path / "hinted/words.py").write_text("WORD = 1")
    before = set(sys.modules)

    def run(source, **values):
        path = tmp_path / "hinted/views.py"
        path.write_text(source)
        try:
            exec(compile(source, str(path), "exec"), {"__name__": "hinted.views", **values})
        except BaseException as error:
            return describe(error, ProjectPaths(str(tmp_path)))["hint"]
        pytest.fail("there was no error")

    yield run
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("DEBUG = Tru", "Did you mean True?"),
        ("re.compile('')", "Is this line missing? import re"),
        ("from hinted.words import WRD", "Did you mean WORD?"),
        ("import hinted.wrds", "Did you mean hinted.words?"),
        ("import hintd", "Did you mean hinted?"),
        (
            "import hinted.words.other",
            "hinted.words is a module, not a package, so nothing can be imported from inside it.",
        ),
        ("__import__('hintedjson')", 'Is a comma missing between "hinted" and "json", in INSTALLED_APPS perhaps?'),
        (
            "import zzzqqq",
            "If zzzqqq is a package that is not installed yet, add it to the requirements and install it.",
        ),
        ("raise ValueError('Did you mean: 'x'?')", ""),
    ],
)
def test_names(hint, source, expected):
    assert hint(source) == expected


def test_the_cause_of_an_error_has_a_hint_too(hint):
    assert hint("try:\n    import hintd\nexcept ImportError as error:\n    raise ValueError from error") == (
        "Did you mean hinted?"
    )


def test_modules_that_import_each_other(hint, tmp_path):
    (tmp_path / "hinted/a.py").write_text("from hinted.b import B\nA = 1\n")
    (tmp_path / "hinted/b.py").write_text("from hinted.a import A\nB = 1\n")

    assert hint("import hinted.a") == (
        "Modules import each other: hinted/a.py → hinted/b.py → hinted/a.py. "
        "Move one of these imports into the function that needs it."
    )


def test_an_app_that_is_not_installed(hint):
    text = "Model class hinted.models.Post doesn't declare an explicit app_label and isn't in an application"
    source = f"raise RuntimeError({text!r})"

    assert hint(source) == 'Add "hinted" to INSTALLED_APPS.'


def test_a_template_that_is_not_there(hint, tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/page.html").touch()
    tried = [(SimpleNamespace(name=str(tmp_path / "templates/pge.html")), "Source does not exist")]
    source = "from django.template import TemplateDoesNotExist\nraise TemplateDoesNotExist('pge.html', tried=tried)"

    assert hint(source, tried=tried) == "Did you mean page.html? The project's folders that were searched: templates."


def test_a_table_that_is_not_there(hint):
    source = "from django.db import OperationalError\nraise OperationalError('no such table: blog_post')"

    assert hint(source) == (
        "A migration may be missing. Run: python manage.py makemigrations && python manage.py migrate"
    )
