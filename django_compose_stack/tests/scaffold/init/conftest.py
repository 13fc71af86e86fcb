import pytest

from django_compose_stack.host.process import Failure
from django_compose_stack.scaffold import init
from django_compose_stack.tests.scaffold.init import projects


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.delenv("ARGS", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)


@pytest.fixture
def run(capsys):
    """Return a function that runs init on a folder, and returns its exit status and what it printed."""

    def run(root, *options):
        try:
            status = init.main(str(root), *options)
        except Failure as failure:
            return 1, str(failure)
        return status, capsys.readouterr().out

    return run


@pytest.fixture(params=projects.LAYOUTS)
def layout(request):
    return projects.LAYOUTS[request.param]


@pytest.fixture
def root(layout, tmp_path):
    """A committed project of each layout."""
    return projects.make(tmp_path / "The Shop", layout.files)
