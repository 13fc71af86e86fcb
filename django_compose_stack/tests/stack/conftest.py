"""What the tests of the stack share: copies of this checkout, brought up on a real Docker engine.

They skip where no engine answers, and fail there with CI set.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from django_compose_stack.services import command, definition
from django_compose_stack.tests.stack.checkout import LONG, Checkout, Repository, run

# A project has one database, and any of these, with these containers.
BESIDE = [name for name, service in definition.own().items() if not service.mark]
CONTAINERS = [name for each in BESIDE for name in command.containers(definition.own()[each])]


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    for words in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            run(*words, timeout=30)
        except (OSError, AssertionError) as error:
            if os.environ.get("CI"):
                pytest.fail(f"CI is set, and no Docker engine answers: {error}", pytrace=False)
            pytest.skip(f"no Docker engine answers: {error}")


@pytest.fixture(scope="session")
def copies(engine, tmp_path_factory) -> Iterator[Callable[..., Checkout]]:
    """A function that makes one copy more. Each test takes its copies away; what a failed one left goes here."""
    made = []

    def copy(owner: int | None = None) -> Checkout:
        made.append(Checkout(tmp_path_factory.mktemp("stack"), owner))
        return made[-1]

    yield copy
    for checkout in made:
        if checkout.path.exists():
            checkout.remove()


@pytest.fixture
def checkout(copies) -> Iterator[Checkout]:
    """A fresh copy that nothing was done with."""
    checkout = copies()
    yield checkout
    checkout.remove()


@pytest.fixture(scope="session")
def stack(copies) -> Checkout:
    """A copy that is up. The tests share it, so each leaves it up and as it was."""
    checkout = copies()
    checkout.up()
    return checkout


@pytest.fixture(scope="module")
def mariadb(engine, tmp_path_factory) -> Iterator[Repository]:
    """A project on MariaDB that is up, with all other services. Tests leave it up and as it was."""
    project = Repository(tmp_path_factory.mktemp("mariadb"))
    said = project.add("mariadb")
    for name in BESIDE:
        project.add(name)
    project.make("up", timeout=LONG)
    project.make("migrate")
    assert "Added mariadb: .env.example, compose.yaml, config/settings.py, pyproject.toml, the lock files." in said
    assert f"The data of before stays in the volume {project.name}_db-data." in said
    yield project
    project.compose("--profile=*", "down", "--volumes", check=False)
    # Compose knows those of the database alone that is in compose.yaml now.
    for name in ("db-data", "mariadb-data"):
        run("docker", "volume", "rm", "--force", f"{project.name}_{name}")
    project.remove()
