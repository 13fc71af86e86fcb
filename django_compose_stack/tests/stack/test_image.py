"""The Dockerfile without Compose."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from django_compose_stack.tests import ROOT
from django_compose_stack.tests.stack.checkout import free_port, get, run, wait_for

PRODUCTION = {"SECRET_KEY": "k" * 50, "ALLOWED_HOSTS": "127.0.0.1", "HTTPS": "false"}
FOREIGN_PROGRAMS = ["gcc", "cc", "g++", "make", "ld", "git", "uv", "ruff", "pytest"]
UNCOMPILED = """
import importlib.util, pathlib, sys
folders = [pathlib.Path("/app"), pathlib.Path(sys.prefix)]
sources = [path for folder in folders for path in folder.rglob("*.py")]
# Tests of the project do not run there.
sources = [path for path in sources if "tests" not in path.parts or folders[0] not in path.parents]
compiled = [pathlib.Path(importlib.util.cache_from_source(path)) for path in sources]
print(len(sources), [str(path) for path in compiled if not path.exists()])
"""


@pytest.fixture(scope="module")
def build(copies) -> Iterator[Callable[..., str]]:
    """A function from options of `docker build` to the tag it built, of a checkout with a secret in it."""
    checkout = copies()
    (checkout.path / ".env").write_text("SECRET_KEY=not-for-the-image\n")
    shutil.copytree(ROOT / "django_compose_stack/scaffold/production", checkout.path, dirs_exist_ok=True)
    built = []

    def build(*options: str) -> str:
        built.append(f"{checkout.name}-{len(built)}")
        checkout.run("docker", "build", "--quiet", "--tag", built[-1], *options, ".")
        return built[-1]

    yield build
    run("docker", "image", "rm", "--force", *built)
    checkout.remove()


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., tuple[str, int]]]:
    """A function that runs an image, and returns the container and its port once that answers."""
    started = []

    def start(image: str, *command: str, **variables: str) -> tuple[str, int]:
        port = free_port()
        settings = [f"--env={name}={value}" for name, value in variables.items()]
        started.append(
            run(
                "docker", "run", "--detach", "--init", f"--publish={port}:8000", *settings, image, *command
            ).stdout.strip()
        )
        wait_for(lambda: get(port, "/healthz")[0] == 200, f"an answer of {image}")
        return started[-1], port

    yield start
    for container in started:
        run("docker", "rm", "--force", "--volumes", container)


@pytest.fixture(scope="module")
def production(build, start) -> str:
    """A container of the production image, serving. It listens only once its database has its tables."""
    serve = ["sh", "-c", "python manage.py migrate --verbosity=0 && exec gunicorn"]
    return start(build("--target=prod"), *serve, **PRODUCTION, DATABASE_URL="sqlite:////tmp/db.sqlite3")[0]


def shell(container: str, script: str) -> str:
    return run("docker", "exec", container, "sh", "-c", script).stdout


def server_uids(container: str) -> set[str]:
    """Return the owners of everything that runs Python."""
    lines = run("docker", "top", container, "-eo", "pid,uid,args").stdout.splitlines()
    return {line.split()[1] for line in lines if "python" in line and "docker-init" not in line}


def test_plain_build_and_run_serve_a_page(build, start):
    container, port = start(build())

    status, page = get(port)

    assert status == 200
    assert "SQLite" in page
    assert server_uids(container) == {"10001"}
    assert shell(container, "ls -A /app | grep -E '^[.](env|git)$' || true") == ""


def test_production_image_serves_with_gunicorn_as_an_ordinary_user(production):
    assert "gunicorn" in run("docker", "top", production).stdout
    assert server_uids(production) == {"10001"}


def test_production_image_holds_nothing_that_it_does_not_need(production):
    assert shell(production, f"command -v {' '.join(FOREIGN_PROGRAMS)} || true") == ""
    assert "No module named pip" in shell(production, "python -m pip 2>&1 || true")
    assert shell(production, "ls -A /app | grep -E '^[.](env|git)$' || true") == ""
    assert shell(production, "ls -A /root /tmp 2>/dev/null | grep -i cache || true") == ""


def test_production_image_is_compiled(production):
    count, uncompiled = shell(production, f"python -c '{UNCOMPILED}'").split(maxsplit=1)

    assert int(count) > 500
    assert uncompiled == "[]\n"


def test_production_image_refuses_to_start_without_a_key(build):
    done = run("docker", "run", "--rm", build("--target=prod"), check=False)

    assert done.returncode != 0
    assert "SECRET_KEY is not set. It is required while DEBUG is off." in done.stderr
