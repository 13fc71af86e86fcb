"""The make targets that work on a running stack, in Docker."""

import os
import re
import shutil

import pytest

PACKAGE = "six"  # small, pure Python, and needed by nothing here
OWNER = 1000 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture(scope="module")
def project(copies):
    """A copy that `make up` has brought up, of an ordinary user where root runs the tests."""
    checkout = copies(OWNER)
    assert checkout.make("up").stdout.endswith(f"Running at http://127.0.0.1:{checkout.port}\n")
    yield checkout
    written = [path for path in checkout.path.rglob("*") if path.lstat().st_uid != OWNER]
    checkout.remove()
    assert written == []


def test_a_changed_model_becomes_a_migration_and_a_table(project):
    models = project.path / "apps/pages/models.py"
    models.write_text(models.read_text().replace("max_length=200", "max_length=150"))

    made = project.make("migrations")
    applied = project.make("migrate")

    assert "~ Alter field text on note" in made.stdout
    assert re.search(r"Applying pages\.0002_\w+\.\.\. OK", applied.stdout)
    assert "varying(150)" in project.compose("exec", "-T", "db", "psql", "-U", "app", "-c", r"\d pages_note").stdout


def test_a_new_app_is_installed_and_tested(project):
    project.make("app", "NAME=blog")

    tested = project.make("test", "ARGS=-q apps/blog apps/pages")

    assert re.search(r"^\d+ passed", tested.stdout, re.M)


def test_tests_run_on_postgres_and_leave_nothing(project):
    before = project.leftovers()
    (project.path / "apps/pages/test_here.py").write_text(
        "from django.db import connection\n\n\ndef test_vendor():\n    assert connection.vendor == 'sqlite'\n"
    )

    failed = project.make("test", "ARGS=-q apps/pages/test_here.py", check=False)
    (project.path / "apps/pages/test_here.py").unlink()

    assert failed.returncode == 2
    assert "assert 'postgresql' == 'sqlite'" in failed.stdout
    assert project.leftovers() == before


def test_an_added_package_is_locked_and_runs_at_once(project):
    project.make("add", f"PACKAGE={PACKAGE}")

    assert f'"{PACKAGE}"' in (project.path / "pyproject.toml").read_text()
    for lock in ("requirements.txt", "requirements/dev.txt", "requirements/prod.txt"):
        assert re.search(rf"^{PACKAGE}==\S+ \\\n    --hash=sha256:", (project.path / lock).read_text(), re.M)
    project.manage("shell", "--no-imports", "-c", f"import {PACKAGE}")
    project.compose("run", "--rm", "--no-deps", "web", "python", "-c", f"import {PACKAGE}")
    assert "PostgreSQL" in project.page()


def test_a_package_that_does_not_exist_changes_nothing(project):
    files = [project.path / name for name in ("pyproject.toml", "requirements.txt", "requirements/dev.txt")]
    before = [file.read_text() for file in files]

    failed = project.make("add", "PACKAGE=django<1,>2", check=False)

    assert failed.returncode == 2
    assert [file.read_text() for file in files] == before


def test_reset_writes_a_backup_first(project):
    project.add_note("about to be deleted")

    done = project.make("reset")

    (dump,) = (project.path / "backups").glob("*.dump")
    assert f"Wrote backups/{dump.name}\n" in done.stdout
    assert dump.read_bytes().startswith(b"PGDMP")
    assert project.leftovers() == []
    shutil.rmtree(dump.parent)  # of whoever ran make
