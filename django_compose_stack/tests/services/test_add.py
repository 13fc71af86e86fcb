"""add --service NAME and remove, on a new project."""

import itertools
import re
import subprocess

import pytest

from django_compose_stack import dependencies
from django_compose_stack.host.process import Failure
from django_compose_stack.production import files
from django_compose_stack.services import command, definition
from django_compose_stack.tests import ROOT, STACK

SERVICES = definition.own()
PRODUCTION = "compose.prod.yaml"
SWAPS = [name for name, service in SERVICES.items() if service.mark]
# A project has one database, and any number of the others.
SETS = [[*filter(None, [database]), *(name for name in SERVICES if name not in SWAPS)] for database in ("", *SWAPS)]


@pytest.mark.parametrize("with_production", [False, True], ids=["development", "production"])
@pytest.mark.parametrize("name", SERVICES)
def test_removing_leaves_the_project_as_it_was(project, name, with_production):
    if with_production:
        files.bring()
    before = project.contents()

    command.add(name)
    added = project.contents()
    command.drop(name)

    assert added != before
    assert with_production or PRODUCTION not in added
    assert project.contents() == before


@pytest.mark.parametrize("chosen", SETS, ids=lambda names: names[0])
def test_all_services_in_any_order_make_the_same_project(project, chosen):
    files.bring()
    before, results = project.contents(), []
    for names in (chosen, list(reversed(chosen))):
        for name in names:
            command.add(name)
        results.append(project.contents())
        for name in names:
            command.drop(name)

        assert project.contents() == before

    assert results[0] == results[1]


@pytest.mark.parametrize("chosen", SETS, ids=lambda names: names[0])
def test_every_block_has_its_place_in_a_new_project(project, chosen):
    files.bring()
    for name in chosen:
        command.add(name)
        missing = [block for block in SERVICES[name].blocks if block.text not in project.read(block.file)]
        assert missing == []


def test_production_that_comes_later_has_the_services(project):
    command.add("valkey")

    files.bring()

    assert re.findall("^  valkey:$|^      VALKEY_URL: .*$", project.read(PRODUCTION), re.M) == [
        "  valkey:",
        "      VALKEY_URL: redis://valkey:6379/0",
    ]


def test_packages_are_locked_before_the_rest_is_written(project, monkeypatch):
    monkeypatch.setattr(command, "write", lambda contents: project.locked.append(sorted(contents)))

    command.add("valkey")

    assert '    "psycopg[binary,pool]>=3.2",\n    "redis>=6",\n    "whitenoise>=6.12",\n' in project.locked[0]
    assert project.locked[1] == [".env.example", "compose.yaml", "config/settings.py"]


def test_nothing_changes_where_the_packages_cannot_be_locked(project, monkeypatch):
    before = project.contents()

    def fail():
        raise SystemExit(2)

    monkeypatch.setattr(dependencies, "write_locks", fail)

    with pytest.raises(SystemExit):
        command.add("valkey")

    assert project.contents() == before


def test_package_that_the_project_has_itself_stays(project):
    project.replace("pyproject.toml", '    "whitenoise', '    "redis==5.0",\n    "whitenoise')
    before = project.contents()

    command.add("valkey")
    command.drop("valkey")

    assert project.locked == []
    assert project.contents() == before


def test_second_time_says_that_it_is_there(project, capsys):
    command.add("valkey")
    before = project.contents()
    capsys.readouterr()

    command.add("valkey")

    assert capsys.readouterr().out == "valkey is there already.\n"
    assert project.contents() == before


def test_what_is_missing_of_a_service_is_added_again(project):
    command.add("valkey")
    complete = project.contents()
    project.replace("compose.yaml", "      VALKEY_URL: redis://valkey:6379/0\n", "")

    command.add("valkey")

    assert project.contents() == complete


def test_edited_block_is_named_and_nothing_is_removed(project):
    command.add("valkey")
    project.replace("compose.yaml", "128mb", "1gb")
    project.replace("config/settings.py", '"socket_timeout": 2', '"socket_timeout": 5')
    before = project.contents()

    with pytest.raises(Failure) as refused:
        command.drop("valkey")

    named = dict(re.findall(r"^  (\S+), lines (\d+ to \d+),$", str(refused.value), re.M))
    assert sorted(named) == ["compose.yaml", "config/settings.py"]
    for name, lines in named.items():
        first, last = map(int, lines.split(" to "))
        shown = "\n".join(project.read(name).splitlines()[first - 1 : last])
        assert ("1gb" in shown) or ('"socket_timeout": 5' in shown)
    assert project.contents() == before


def test_rest_is_removed_once_the_edited_lines_are_gone(project):
    before = project.contents()
    command.add("valkey")
    project.replace("compose.yaml", "128mb", "1gb")
    text = project.read("compose.yaml")
    (project.path / "compose.yaml").write_text(re.sub(r"  valkey:\n(?:    .*\n)+\n", "", text))

    command.drop("valkey")

    assert project.contents() == before


def test_other_lines_of_the_user_stay(project):
    project.replace("compose.yaml", "    init: true\n", "    init: true\n    cpus: 2\n")
    project.replace("config/settings.py", 'TIME_ZONE = "UTC"', 'TIME_ZONE = "Europe/Berlin"')
    before = project.contents()

    command.add("valkey")
    (project.path / "config/settings.py").write_text(project.read("config/settings.py") + "\nMINE = 1\n")
    command.drop("valkey")

    after = project.contents()
    assert after.pop("config/settings.py") == before.pop("config/settings.py") + b"\nMINE = 1\n"
    assert after == before


def test_block_without_a_place_is_shown_and_nothing_changes(project):
    project.replace("compose.yaml", "    depends_on: [db]\n", "    depends_on: [db, mine]\n")
    before = project.contents()

    with pytest.raises(Failure) as refused:
        command.add("valkey")

    message = str(refused.value)
    number = project.read("compose.yaml").splitlines().index("    depends_on: [db, mine]") + 1
    assert f"compose.yaml, line {number}, must be:\n        depends_on: [db]\n" in message
    assert project.contents() == before


def test_file_that_somebody_deleted_stays_so(project):
    (project.path / ".env.example").unlink()

    command.add("valkey")

    assert not (project.path / ".env.example").exists()


@pytest.mark.parametrize(("name", "guess"), [("valky", "Did you mean valkey? "), ("zzz", ""), ("", "")])
def test_unknown_name_lists_what_there_is(project, name, guess):
    with pytest.raises(Failure) as refused:
        command.add(name)

    message = str(refused.value)
    assert message.startswith(f"there is no service {name!r}. {guess}There are:\n")
    assert re.findall(r"^  ([a-z]+) +\S", message, re.M) == list(SERVICES)


def test_removing_what_is_not_there_says_so(project):
    with pytest.raises(Failure, match="valkey is not there"):
        command.drop("valkey")


def test_tests_run_without_the_services(project):
    assert command.test_variables() == []

    command.add("valkey")

    assert command.test_variables() == ["VALKEY_URL="]


def test_settings_read_each_variable_that_is_set_for_them(project):
    """And .env.example describes it."""
    for name in SETS[0]:
        command.add(name)
        for variable in [word.partition("=")[0] for word in SERVICES[name].words("test")]:
            assert f'"{variable}"' in project.read("config/settings.py")
            assert f"\n{variable}=" in project.read(".env.example")


def test_every_service_says_how_it_runs_without_docker():
    assert [name for name, service in SERVICES.items() if not service.fields.get("native")] == []


def test_every_definition_is_listed():
    there = {path.stem for path in (ROOT / "django_compose_stack/services").glob("*.txt")}

    assert there == set(definition.NAMES)


@pytest.mark.parametrize("words", list(itertools.product(["add", "remove"], [[], ["valkey"]])))
def test_word_after_the_command(words):
    """Without a name it says what to type; `remove` takes a service with and without its option."""
    name, rest = words
    if (name, rest) == ("add", ["valkey"]):
        rest = ["--service", "no-such"]
    done = subprocess.run([*STACK, name, *rest], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode in (1, 2)
    assert ("make " if not rest else "valkey") in done.stderr
