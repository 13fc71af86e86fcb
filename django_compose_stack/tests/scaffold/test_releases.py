"""Updates from each release that is kept to the version of the sources, on an untouched project and a lived-in one."""

import re
import sys

import pytest

from django_compose_stack.scaffold import starter
from django_compose_stack.tests import ROOT
from django_compose_stack.tests.scaffold.conftest import Project, new, run
from django_compose_stack.tests.scaffold.releases import KEPT

VERSIONS = sorted(path.name for path in KEPT.iterdir())
PATH = "import sys; sys.path[:0] = sys.argv[1:3]; "
NEW = PATH + "from django_compose_stack.cli import main; sys.exit(main(['new', sys.argv[3]]))"
BRING = PATH + "from django_compose_stack.production.files import bring; bring()"
WHEELS = re.compile(r"^\.stack/\S+ \\\n    --hash=sha256:\w+\n", re.M)


def python(version, code, *words, cwd):
    return run(sys.executable, "-BIS", "-c", code, *sorted((KEPT / version).glob("*.whl")), *words, cwd=cwd)


@pytest.fixture
def project(request, tmp_path):
    """A project as that release makes it, committed."""
    python(request.param, NEW, tmp_path / "shop", cwd=tmp_path)
    project = Project(tmp_path / "shop")
    project.version = request.param
    project.commit()
    return project


@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_untouched_project_becomes_a_new_one(project, tmp_path):
    seeds = {name: project.read(name) for name in starter.KINDS["seeds"]}

    done = project.stack("update", ROOT)

    assert done.stderr == ""
    new(tmp_path / "fresh/../shop-2")
    fresh = Project(tmp_path / "shop-2")
    for name in starter.KINDS["managed"]:
        assert project.read(name) == fresh.read(name), name
    for name in starter.KINDS["locks"]:
        assert WHEELS.findall(project.read(name)) == WHEELS.findall(fresh.read(name))
    assert {name: project.read(name) for name in seeds} == seeds
    assert sorted(path.name for path in project.path.glob(".stack/*")) == sorted(
        path.name for path in fresh.path.glob(".stack/*")
    )


@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_lived_in_project_keeps_what_is_its_users(project):
    python(project.version, BRING, cwd=project.path)
    edits = {
        "compose.yaml": ("\nvolumes:\n", "\n  cache:\n    image: redis:8\n\nvolumes:\n"),
        "Makefile": ("\n##@ Run\n", "\n##@ Mine\ndocs: ## Build them\n\tmkdocs build\n\n##@ Run\n"),
        ".gitignore": (".venv/\n", ".venv/\n/dumps/\n"),
        "compose.prod.yaml": ("max_connections=200", "max_connections=300"),
    }
    for name, (old, new_text) in edits.items():
        project.replace(name, old, new_text)
    project.replace("compose.yaml", "interval: 30s\n\nservices", "interval: 60s\n\nservices")
    for name in (".dockerignore", "nginx/error.html", "apps/pages/tests.py"):
        (project.path / name).unlink()
    project.commit()

    done = project.stack("update", ROOT)

    assert done.stderr == ""
    for name, (_, new_text) in edits.items():
        assert new_text in project.read(name)
    assert "interval: 60s\n\nservices" in project.read("compose.yaml")
    assert not any(
        (project.path / name).exists() for name in (".dockerignore", "nginx/error.html", "apps/pages/tests.py")
    )
    assert (project.path / "nginx/plain.conf").exists()
    project.commit()
    assert "Nothing to do" in project.stack("update", ROOT).stdout


def test_overlap_with_an_older_release_is_labelled(tmp_path):
    python("0.9.0", NEW, tmp_path / "shop", cwd=tmp_path)
    project = Project(tmp_path / "shop")
    project.replace("compose.yaml", "restart: on-failure:2", "restart: always")
    project.commit()

    done = project.stack("update", ROOT, status=1)

    assert "have changed the same lines of compose.yaml" in done.stderr
    assert (
        "<<<<<<< yours\n    restart: always\n=======\n    restart: on-failure:3\n>>>>>>> new version 1.0.0\n"
        in project.read("compose.yaml")
    )
