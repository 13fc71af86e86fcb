"""What manage.py runs."""

import os
import subprocess
import sys

import pytest

from django_compose_stack.tests import ROOT


def manage(*flags, command=("check",), **variables):
    environment = {"PATH": os.environ["PATH"], **variables}
    command = [sys.executable, *flags, "manage.py", *command]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_python_without_django_is_told_what_to_run():
    done = manage("-S", "-E")

    assert done.returncode == 1
    assert "ImportError: Django is not installed for this Python. Run `python3 .stack native python" in done.stderr


def test_python_without_the_packages_is_told_what_to_run(tmp_path):
    (tmp_path / "manage.py").write_text((ROOT / "manage.py").read_text())

    done = subprocess.run([sys.executable, "-S", "-E", "manage.py"], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 1
    assert "Run: python3 .stack native python manage.py ..." in done.stderr


def test_debug_is_on_where_nothing_is_configured():
    if (ROOT / ".env").exists():
        pytest.skip("this checkout has a .env")

    done = manage()

    assert done.stdout == "System check identified no issues (0 silenced).\n", done.stderr


def test_garbage_is_collected_once_the_project_is_loaded():
    """Not before, where it takes a fifth of the time of a short command, and never again what is loaded by then."""
    script = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"

    done = manage(command=("shell", "--no-imports", "-c", script), SECRET_KEY="x" * 50, DEBUG="true")

    assert done.stdout == "True True\n", done.stderr
