"""The checks of .ci agree with what they check."""

import re
import runpy

import pytest

from django_compose_stack.tests import ROOT

BUILT_HERE = {"production:local"}


@pytest.fixture
def checks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / ".ci")
    return runpy.run_path(str(ROOT / ".ci/checks"))


def test_images_of_the_stack_are_provided(checks):
    files = "".join((ROOT / options[-1].partition("=")[2]).read_text() for options in checks["compose_files"]())
    files += "".join(path.read_text() for path in (ROOT / "django_compose_stack/services").glob("*.txt"))
    used = set(re.findall(r"image: (\S+:\S+)", re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", files))) - BUILT_HERE
    python = re.search(r"^ARG PYTHON_VERSION=(\S+)", (ROOT / "Dockerfile").read_text(), re.M)[1]

    assert {*used, f"python:{python}-slim"} - set(checks["IMAGES"]) == set()


def test_compose_file_of_production_is_linted(checks):
    assert ["--file=django_compose_stack/scaffold/production/compose.prod.yaml"] in checks["compose_files"]()


def test_needs_come_first_and_once(checks):
    plan = checks["plan"](["lint", "stack"])

    assert plan == ["packages", "linters", "engine", "lint", "browser", "images", "stack"]


def test_workflow_runs_every_step(checks):
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    steps = re.search(r"step: \[(.*)\]", workflow)[1].split(", ")

    assert {*steps, "native"} == set(checks["STEPS"])


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("=========== 140 passed, 1 skipped in 1.57s ===========", True),
        ("2 passed in 61.20s (0:01:01)", True),
        ("====== no tests ran in 0.01s ======", False),
        ("====== 1 skipped in 0.01s ======", False),
        ("10 passed the gate", False),
    ],
)
def test_a_run_without_a_passed_test_does_not_count(checks, line, counts):
    assert bool(checks["CLOSING"].search(line)) is counts


def test_dependabot_looks_where_there_is_something():
    """Its pip looks into a folder and the folders right below it, of which requirements/ is one."""
    text = (ROOT / ".github/dependabot.yml").read_text()
    kinds = re.findall(r"package-ecosystem: (\S+)\n +director(?:y|ies): \[?(.+?)\]?\n", text)
    looked = {kind: folders.split(", ") for kind, folders in kinds}

    files = {"pip": "requirements*.txt", "docker": "Dockerfile", "docker-compose": "compose*.yaml"}
    for kind, pattern in files.items():
        assert [folder for folder in looked[kind] if not [*(ROOT / folder[1:]).glob(pattern)]] == [], kind


def test_actions_of_others_are_pinned_by_hash():
    """A tag can be moved to other code. The comment says which release it is, and Dependabot updates both."""
    workflows = list((ROOT / ".github/workflows").glob("*.yml"))
    used = [line for path in workflows for line in path.read_text().splitlines() if "uses:" in line]

    unpinned = [line for line in used if not re.search(r"uses: [\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line)]

    assert used
    assert unpinned == []
