"""python3 .stack new DIR."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib

import pytest

from django_compose_stack.scaffold import starter, wheel
from django_compose_stack.tests import ROOT
from django_compose_stack.tests.scaffold.conftest import Project, new, run

BINARY = (".whl",)
LINES = 1200
FILES = 30


def names(project):
    return project.git("ls-files", "-z").split("\0")[:-1]


def test_project_is_small(made):
    text = [name for name in names(made) if not name.endswith(BINARY) and name not in starter.KINDS["locks"]]
    lines = sum(len(made.read(name).splitlines()) for name in text)

    assert len(text) <= FILES
    assert lines <= LINES


def test_everything_is_staged_and_nothing_is_ignored(made):
    there = {str(path.relative_to(made.path)) for path in made.path.rglob("*") if path.is_file()}

    assert {name for name in there if not name.startswith(".git/")} == set(names(made))
    assert made.git("status", "--porcelain").splitlines() == [f"A  {name}" for name in sorted(names(made))]


def test_output_says_what_comes_next(made):
    assert made.output == f'Made {made.path}. Next:\n\n    cd {made.path}\n    git commit -m "Begin"\n    make up\n'


def test_files_are_those_of_the_repository(made):
    for name in (*starter.KINDS["managed"], *starter.KINDS["seeds"]):
        if name != "Makefile":
            assert made.read(name) == (ROOT / name).read_text(), name
    assert (ROOT / "Makefile").read_text().startswith(made.read("Makefile"))
    assert "include" not in made.read("Makefile")
    assert os.access(made.path / "manage.py", os.X_OK)


def test_readme_has_the_name_and_twenty_lines(made):
    readme = made.read("README.md")

    assert readme.startswith("# shop\n")
    assert len(readme.splitlines()) <= 25
    assert set(re.findall(r"`make ([a-z-]+)", readme)) <= set(
        re.findall(r"^([a-z.-]+):.*## ", made.read("Makefile"), re.M)
    ) | {".env"}


def test_pyproject_asks_for_what_the_repository_does_and_both_packages(made):
    own = tomllib.loads(made.read("pyproject.toml"))
    theirs = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert own["project"]["name"] == "shop"
    added = ["django-compose-stack", "django-fast-reload"]
    assert own["project"]["dependencies"] == sorted(
        [*theirs["project"]["dependencies"], *added], key=lambda text: text.split(">")[0]
    )
    assert own["project"]["requires-python"] == theirs["project"]["requires-python"]
    assert own["dependency-groups"] == theirs["dependency-groups"]
    assert own["tool"]["pytest"]["ini_options"]["testpaths"] == ["apps"]
    paths = [entry["path"] for entry in own["tool"]["uv"]["sources"].values()]
    assert all((made.path / path).is_file() for path in paths)
    assert sorted(own["tool"]["uv"]["sources"]) == added


@pytest.mark.parametrize("lock", starter.KINDS["locks"])
def test_locks_are_the_repositorys_and_the_two_wheels_with_their_hashes(made, lock):
    text = made.read(lock)
    entries = re.findall(r"^(\.stack/(\S+)) \\\n    --hash=sha256:(\w{64})\n", text, re.M)

    assert [path for path, _, _ in entries] == [
        f".stack/{path.name}" for path in sorted(made.path.glob(".stack/*.whl"))
    ]
    for path, _, digest in entries:
        assert hashlib.sha256((made.path / path).read_bytes()).hexdigest() == digest
    rest = re.sub(r"^\.stack/\S+ \\\n.*\n", "", text, flags=re.M)
    assert rest == (ROOT / lock).read_text()


def test_program_of_the_project_makes_the_same_project(made, tmp_path):
    run(sys.executable, "-IS", made.path / ".stack", "new", tmp_path / "shop", cwd=tmp_path)

    again = Project(tmp_path / "shop")
    assert names(again) == names(made)
    assert [(again.path / name).read_bytes() for name in names(again)] == [
        (made.path / name).read_bytes() for name in names(made)
    ]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("My Shop", "my-shop"),
        ("Мой shop", "shop"),
        ("2026", "2026"),
        ("_x_", "x"),
        ("django", "django-project"),
        ("class", "class"),
    ],
)
def test_name_is_one_that_compose_and_python_take(tmp_path, folder, name):
    done = new(tmp_path / folder)

    project = Project(tmp_path / folder)
    assert tomllib.loads(project.read("pyproject.toml"))["project"]["name"] == name
    assert project.read("README.md").startswith(f"# {folder}\n")
    assert (f"pyproject.toml calls the project {name}: " in done.stderr) is (folder != name)
    assert names(project)


def test_name_of_which_nothing_is_left_is_refused(tmp_path):
    done = new(tmp_path / "магазин", status=1)

    assert "'магазин' has no letter a to z and no digit" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_folder_with_a_file_in_it_is_refused(tmp_path):
    (tmp_path / "note").touch()

    done = new(tmp_path, status=1)

    assert f"{tmp_path} is not empty.\nFix: " in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_empty_folder_is_filled(tmp_path):
    before = tmp_path.stat().st_ino

    new(".", cwd=tmp_path)

    assert tmp_path.stat().st_ino == before
    assert (tmp_path / "compose.yaml").is_file()
    assert list(tmp_path.parent.glob(".*unfinished*")) == []


def test_missing_parent_is_refused(tmp_path):
    done = new(tmp_path / "a/b", status=1)

    assert f"{tmp_path / 'a'} does not exist.\nFix: mkdir -p " in done.stderr


def test_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "shop").touch()

    assert "is not a folder" in new(tmp_path / "shop", status=1).stderr


def test_colon_is_refused(tmp_path):
    assert "has a colon" in new(tmp_path / "a:b", status=1).stderr


def test_folder_in_the_clone_is_refused():
    done = new("shop", status=1)

    assert f"{ROOT / 'shop'} lies in this clone.\nFix: make new DIR=../shop." in done.stderr


def test_folder_in_another_repository_gets_no_repository_of_its_own(tmp_path):
    run("git", "init", "--quiet", ".", cwd=tmp_path)

    done = new(tmp_path / "shop")

    assert f"lies in the repository {tmp_path}" in done.stderr
    assert not (tmp_path / "shop/.git").exists()
    assert "git commit" not in done.stdout


def test_rules_that_ignore_wheels_leave_nothing_out(tmp_path):
    (tmp_path / "ignore").write_text("*.whl\n.env*\n")
    (tmp_path / "config").write_text(f"[core]\nexcludesFile = {tmp_path / 'ignore'}\n")

    new(tmp_path / "shop", GIT_CONFIG_GLOBAL=str(tmp_path / "config"))

    assert {".env.example", *(f".stack/{name}" for name in wheel.contents())} <= set(names(Project(tmp_path / "shop")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_parent_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o555)

    assert "you may not write to" in new(tmp_path / "shop", status=1).stderr


def test_nothing_is_left_where_writing_fails(tmp_path):
    # Room for a part of the files only.
    limited = 'ulimit -f 100; exec "$@"'
    command = ["bash", "-c", limited, "bash", sys.executable, "-IS", ROOT / ".stack", "new", tmp_path / "shop"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT)

    assert done.returncode == 1
    assert f"{tmp_path / 'shop'} could not be made: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_file_speaks_of_what_only_the_repository_has(made):
    for name in names(made):
        if not name.endswith(BINARY):
            assert not re.search(r"\bdocs/|\.ci/|bench/", made.read(name)), name
