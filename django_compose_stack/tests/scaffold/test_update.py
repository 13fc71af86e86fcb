"""python3 .stack update FROM, on an untouched project and on one that somebody lives in."""

import hashlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from django_compose_stack.scaffold import starter, wheel
from django_compose_stack.scaffold.merge import make_plan
from django_compose_stack.services import definition
from django_compose_stack.services.blocks import insert
from django_compose_stack.tests import ROOT
from django_compose_stack.tests.scaffold import releases
from django_compose_stack.tests.scaffold.conftest import Project, new, run

MANAGED = "starter/managed/"
NEXT = {
    f"{MANAGED}Makefile": (".DEFAULT_GOAL := help", ".DEFAULT_GOAL := up"),
    f"{MANAGED}compose.yaml": ("restart: on-failure:3", "restart: on-failure:4"),
    f"{MANAGED}Dockerfile": ("ARG PYTHON_VERSION=3.12", "ARG PYTHON_VERSION=3.13"),
    f"{MANAGED}.gitattributes": None,
    "scaffold/starter.py": ('".gitattributes",', '"justfile",'),
    f"{MANAGED}justfile": b"up:\n    python3 .stack up\n",
    "starter/seeds/config/urls.py": ("urlpatterns = [", "# Another seed.\nurlpatterns = ["),
    "starter/debug/.vscode/launch.json": ('"port": 5678', '"port": 5679'),
    "scaffold/production/nginx/plain.conf": b"# Another.\n",
    "scaffold/production/nginx/gzip.conf": b"gzip on;\n",
}
OLD = [f".stack/{name}" for name in wheel.contents()]
NEW = [name.replace("1.0.0", "1.1.0") for name in OLD]
LOCKS = sorted(starter.KINDS["locks"])


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """A folder with the wheels of version 1.1.0."""
    return releases.write(tmp_path_factory.mktemp("release"), releases.make("1.1.0", NEXT))


def changes(project):
    """Return {path: letter of git's status}."""
    return {line[3:]: line[:2].strip() for line in project.git("status", "--porcelain", "-uall").splitlines()}


def test_untouched_project_becomes_what_the_new_version_makes(project, release, tmp_path):
    done = project.stack("update", release)

    assert done.stdout.startswith("Updated from 1.0.0 to 1.1.0, and is not committed yet.\n")
    assert done.stderr == ""
    # Seeds stay, and so do the files that come later: production's and the editor's.
    assert changes(project) == {
        ".gitattributes": "D",
        **dict.fromkeys(["Dockerfile", "Makefile", "compose.yaml", "pyproject.toml", *LOCKS], "M"),
        **dict.fromkeys(OLD, "D"),
        **dict.fromkeys([*NEW, "justfile"], "??"),
    }
    run(sys.executable, "-IS", project.path / ".stack", "new", tmp_path / "again/../other", cwd=tmp_path)
    other = Project(tmp_path / "other")
    for name in ("Dockerfile", "Makefile", "compose.yaml", "justfile", *LOCKS):
        assert project.read(name) == other.read(name), name
    assert project.read("pyproject.toml") == other.read("pyproject.toml").replace('"other"', '"shop"')


def test_locks_name_the_new_wheels_by_their_hashes(project, release):
    project.stack("update", release)

    for lock in LOCKS:
        found = dict(re.findall(r"^(\.stack/\S+) \\\n    --hash=sha256:(\w+)$", project.read(lock), re.M))
        assert found == {name: hashlib.sha256((project.path / name).read_bytes()).hexdigest() for name in NEW}


@pytest.fixture
def lived_in(project):
    """The project with its user's changes in it: other intervals, a service more, a file less, production."""
    project.replace("compose.yaml", "\nvolumes:\n", "\n  cache:\n    image: redis:8\n\nvolumes:\n")
    project.replace("compose.yaml", "interval: 30s\n\nservices", "interval: 60s\n\nservices")
    project.replace("Makefile", "down: ##", "deploy-docs: ## Mine\n\tmkdocs\n\ndown: ##")
    project.replace("Dockerfile", "EXPOSE 8000\n", "EXPOSE 8000\nRUN apt-get install libpq5\n")
    project.replace("config/urls.py", "urlpatterns = [", "# Mine.\nurlpatterns = [")
    project.write("apps/blog/models.py", "")
    (project.path / ".dockerignore").unlink()
    (project.path / ".gitattributes").write_text("* text=auto\n*.psd binary\n")
    production = ROOT / "django_compose_stack/scaffold/production"
    shutil.copytree(production, project.path, dirs_exist_ok=True)
    (project.path / "nginx/error.html").unlink()
    project.replace("compose.prod.yaml", "max_connections=200", "max_connections=300")
    project.commit()
    return project


def test_every_line_of_the_user_and_every_deletion_is_kept(lived_in, release):
    before = {name: lived_in.read(name) for name in lived_in.git("ls-files").split() if not name.endswith(".whl")}

    done = lived_in.stack("update", release)

    for name, text in before.items():
        if name not in LOCKS and name != "pyproject.toml":
            lost = set(text.splitlines()) - set(lived_in.read(name).splitlines())
            assert not lost - set(edited_lines()), name
    assert not (lived_in.path / ".dockerignore").exists()
    assert not (lived_in.path / "nginx/error.html").exists()
    assert "restart: on-failure:4" in lived_in.read("compose.yaml")
    assert "image: redis:8" in lived_in.read("compose.yaml")
    assert lived_in.read("nginx/gzip.conf") == "gzip on;\n"
    assert lived_in.read("nginx/plain.conf") == "# Another.\n"
    assert "max_connections=300" in lived_in.read("compose.prod.yaml")
    assert "Another seed" not in lived_in.read("config/urls.py")
    assert lived_in.read(".gitattributes") == "* text=auto\n*.psd binary\n"
    assert "  yours, left as it is although the stack's changed: .gitattributes\n" in done.stdout


def edited_lines():
    """Return the lines that version 1.1.0 itself has changed."""
    for name, edit in NEXT.items():
        if isinstance(edit, tuple):
            yield from (line for line in text_of(name).splitlines() if edit[0] in line)
    yield from text_of("scaffold/production/nginx/plain.conf").splitlines()


def text_of(name):
    kind, _, path = name.removeprefix("starter/").partition("/")
    return (
        starter.content(kind, path) if kind in starter.KINDS else (ROOT / "django_compose_stack" / name).read_bytes()
    ).decode()


def test_second_run_does_nothing(lived_in, release):
    lived_in.stack("update", release)
    before = {path: path.stat().st_mtime_ns for path in lived_in.path.rglob("*") if ".git" not in path.parts}

    again = lived_in.stack("update", release)
    lived_in.commit()
    third = lived_in.stack("update", release)

    assert again.stdout.startswith("Was updated already from 1.0.0 to 1.1.0, and is not committed yet.\n")
    assert third.stdout == "Nothing to do: this project has version 1.1.0 already.\n"
    assert {path: path.stat().st_mtime_ns for path in lived_in.path.rglob("*") if ".git" not in path.parts} == before


def test_overlap_stands_between_markers_and_is_named(project, release):
    project.replace("compose.yaml", "restart: on-failure:3", "restart: always")
    project.commit()

    done = project.stack("update", release, status=1)

    assert (
        "<<<<<<< yours\n    restart: always\n=======\n    restart: on-failure:4\n>>>>>>> new version 1.1.0\n"
        in project.read("compose.yaml")
    )
    assert "you and the new version have changed the same lines of compose.yaml.\nFix: edit what stands" in done.stderr
    assert "DEFAULT_GOAL := up" in project.read("Makefile")
    assert project.stack("update", release, status=1).stderr == done.stderr


def test_file_that_the_user_made_where_the_new_version_has_one_is_left(project, release):
    project.write("justfile", "mine\n")
    project.commit()

    done = project.stack("update", release)

    assert project.read("justfile") == "mine\n"
    assert "the stack's changed: justfile\n" in done.stdout


def test_file_that_is_not_in_git_is_not_written_over(project, release):
    project.write("justfile", "mine\n")

    done = project.stack("update", release, status=1)

    assert "justfile has changes that are not committed.\nFix: git commit, or git stash" in done.stderr
    assert changes(project) == {"justfile": "??"}


def test_file_that_the_user_wrote_anew_is_left(project, release):
    project.write("Makefile", "up:\n\tdocker compose up\n")
    project.commit()

    done = project.stack("update", release)

    assert project.read("Makefile") == "up:\n\tdocker compose up\n"
    assert "the stack's changed: Makefile\n" in done.stdout


def test_project_that_init_has_made_gets_the_changes_of_its_templates():
    docker = "FROM python:@python@\nRUN one\nRUN two\nRUN three\nRUN four\n@install@\n"
    old = releases.make(
        "1.0.0", {f"scaffold/templates/init/{name}-tpl": docker.encode() for name in ("Dockerfile", "compose.yaml")}
    )
    edits = {
        "scaffold/templates/init/Dockerfile-tpl": docker.replace("three", "3").encode(),
        f"{MANAGED}justfile": b"up:\n",
    }
    head = {f".stack/{name}": content for name, content in old.items()}
    head[".stack/project.ini"] = b"[project]\ncompose = compose.stack.yaml\ndockerfile = Dockerfile.stack\n"
    head[".stack/requirements.txt"] = b"./.stack/django_fast_reload-1.0.0-py3-none-any.whl \\\n"
    filled = docker.replace("@python@", "3.12").replace("@install@", "RUN pip install -r all.txt\nRUN mine")
    head["Dockerfile.stack"] = filled.encode()
    head["Dockerfile"] = b"FROM debian\n"

    plan = make_plan(head, releases.make("1.1.0", edits))

    assert {path for path in plan.changes if not path.endswith(".whl")} == {
        ".stack/requirements.txt",
        "Dockerfile.stack",
    }
    assert plan.changes["Dockerfile.stack"].decode() == filled.replace("three", "3")
    assert plan.changes[".stack/requirements.txt"] == b"./.stack/django_fast_reload-1.1.0-py3-none-any.whl \\\n"
    assert plan.conflicts == plan.kept == []


def test_changes_that_are_not_committed_are_refused(project, release):
    project.write("README.md", "mine\n")
    project.replace("Makefile", "Copy .env", "copy .env")

    done = project.stack("update", release, status=1)

    assert "Makefile, README.md has changes that are not committed" in done.stderr
    assert changes(project) == {"Makefile": "M", "README.md": "M"}


def test_project_that_was_never_committed_is_refused(tmp_path, release):
    new(tmp_path / "shop")

    done = Project(tmp_path / "shop").stack("update", release, status=1)

    assert "the update needs a git repository with a commit" in done.stderr


def test_downgrade_is_refused(project, release):
    older = releases.write(project.path.parent / "older", releases.make("0.9.0"))

    done = project.stack("update", older, status=1)

    assert f"{older} has version 0.9.0, and this project has 1.0.0 already.\nFix: To go back, git revert" in done.stderr
    assert changes(project) == {}


def test_repository_itself_is_refused(release):
    done = run(sys.executable, "-IS", ROOT / ".stack", "update", release, cwd=ROOT, status=1)

    assert "is the stack's own repository, not a project made from it.\nFix: git pull." in done.stderr


def test_folder_without_wheels_is_refused(project, tmp_path):
    done = project.stack("update", tmp_path, status=1)

    assert "must have one wheel of each of django_compose_stack and django_fast_reload; found: none" in done.stderr


def test_damaged_wheel_is_refused(project, release, tmp_path):
    shutil.copytree(release, tmp_path / "damaged")
    (path, _) = sorted((tmp_path / "damaged").iterdir())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    done = project.stack("update", tmp_path / "damaged", status=1)

    assert f"{path.name} of {tmp_path / 'damaged'} is damaged" in done.stderr
    assert changes(project) == {}


def test_clone_of_the_repository_and_another_project_are_sources(project, committed):
    same = "Nothing to do: this project has version 1.0.0 already.\n"

    assert project.stack("update", ROOT).stdout == same
    assert project.stack("update", committed.path).stdout == same


def test_other_content_of_the_same_version_is_an_update(project, tmp_path):
    folder = releases.write(tmp_path / "same", releases.make("1.0.0", {"scaffold/__init__.py": b"# Other.\n"}))

    done = project.stack("update", folder)

    assert done.stdout.startswith("Updated to another build of 1.0.0, and is not committed yet.\n")
    assert changes(project) == dict.fromkeys([OLD[0], *LOCKS], "M")


def test_new_needs_of_the_packages_are_said(project, tmp_path):
    folder = releases.write(tmp_path / "needy", releases.make("1.1.0", requires=["six"]))

    assert "The packages need other packages than before: make lock\n" in project.stack("update", folder).stdout


def test_project_below_the_root_of_its_repository(committed, release, tmp_path):
    shutil.copytree(committed.path, tmp_path / "all/shop", ignore=shutil.ignore_patterns(".git"))
    run("git", "init", "--quiet", cwd=tmp_path / "all")
    project = Project(tmp_path / "all/shop")
    project.commit()

    project.stack("update", release)

    assert "DEFAULT_GOAL := up" in project.read("Makefile")
    assert {name for name in changes(project) if not name.startswith("shop/")} == set()


@pytest.mark.parametrize("written", [0, 4, 11])
def test_killed_update_is_completed_by_the_next_one(lived_in, release, written):
    """It is killed after so many files; what it has written is told from a change of the user."""
    code = (
        "import os, signal, sys; sys.path[:0] = sys.argv[1:]\n"
        "from django_compose_stack.scaffold import apply\n"
        f"write, left = apply.write, [None] * {written}\n"
        "def until(*file):\n"
        "    write(*file) if left else os.kill(os.getpid(), signal.SIGKILL)\n"
        "    left.pop()\n"
        "apply.write = until\n"
        "apply.main(sys.argv[1:])\n"
    )
    killed = subprocess.run([sys.executable, "-ISB", "-c", code, *sorted(release.iterdir())], cwd=lived_in.path)
    assert killed.returncode == -signal.SIGKILL

    lived_in.stack("update", release)

    halved = {
        path: (lived_in.path / path).read_bytes()
        for path in lived_in.git("ls-files").split()
        if (lived_in.path / path).exists()
    }
    lived_in.git("stash", "--quiet", "--all")
    lived_in.stack("update", release)
    assert {path: (lived_in.path / path).read_bytes() for path in halved} == halved


def test_wheels_are_written_first_and_locks_last():
    old = releases.make("1.0.0")
    head = {f".stack/{name}": content for name, content in old.items()}
    for name in starter.KINDS["locks"]:
        head[name] = b"".join(name.encode() for name in old)
    head["Makefile"] = starter.content("managed", "Makefile")

    order = list(make_plan(head, releases.make("1.1.0", NEXT)).changes)

    assert order == [*NEW, ".gitattributes", "Makefile", "justfile", *LOCKS, *OLD] or order == [
        *NEW,
        "Makefile",
        "justfile",
        *LOCKS,
        *OLD,
    ]


@pytest.fixture
def with_service(project):
    """The project with a service, one line of which is its user's own; without the packages, which are not locked."""
    service = definition.own()["valkey"]
    for block in service.blocks:
        if (project.path / block.file).exists():
            project.write(block.file, insert(project.read(block.file), block))
    project.replace("compose.yaml", "valkey-cli, ping]\n", "valkey-cli, ping]\n      timeout: 3s\n")
    project.commit()
    return project


def test_service_is_updated_like_the_rest(with_service, tmp_path):
    """Changes beside its blocks and in them arrive, and what the user wrote into them stays."""
    edits = {
        f"{MANAGED}compose.yaml": (
            "      WEB_PORT: ${WEB_PORT:-8000}\n",
            "      WEB_PORT: ${WEB_PORT:-8000}\n      NEW: 1\n",
        ),
        f"{MANAGED}.env.example": ("# --- This machine; then", "NEW=1\n\n# --- This machine; then"),
        "services/valkey.txt": ("maxmemory, 128mb", "maxmemory, 256mb"),
    }
    before = with_service.read("compose.yaml")

    done = with_service.stack("update", releases.write(tmp_path / "next", releases.make("1.1.0", edits)))

    assert done.stderr == ""
    assert with_service.read("compose.yaml") == before.replace("128mb", "256mb").replace(
        "valkey:6379/0\n", "valkey:6379/0\n      NEW: 1\n"
    )
    assert "VALKEY_URL=\n" in with_service.read(".env.example")
    assert "\nNEW=1\n" in with_service.read(".env.example")
    assert with_service.stack("update", tmp_path / "next").stdout.startswith("Was updated already")


def test_service_that_a_new_version_no_longer_has_stays(with_service, tmp_path):
    edits = {"services/valkey.txt": None, "services/definition.py": ('"valkey", ', "")}
    before = with_service.read("compose.yaml")

    with_service.stack("update", releases.write(tmp_path / "next", releases.make("1.1.0", edits)))

    assert with_service.read("compose.yaml") == before
