"""Production on a real engine. These tests skip where none answers, and fail there with CI set."""

import contextlib
import fcntl
import os

import pytest

from django_compose_stack.tests.prod.production import running
from django_compose_stack.tests.stack.checkout import run, wait_for
from django_compose_stack.tests.stack.conftest import copies, engine  # noqa: F401


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory):
    """Production with TLS on odd ports, brought up by `make prod-up`, with an admin in it."""
    with running(tmp_path_factory, "prod-up", tls=True) as production:
        add_admin(production)
        yield production


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """Production with no certificate, as a fresh clone has it."""
    with running(tmp_path_factory, "prod-up") as production:
        add_admin(production)
        yield production


def add_admin(production):
    create = "python manage.py createsuperuser --noinput --username=admin --email=a@example.com"
    production.exec("web", "env", "DJANGO_SUPERUSER_PASSWORD=pw-for-a-test", *create.split())


@pytest.fixture(scope="session", autouse=True)
def shared_engine(tmp_path_factory):
    """The engine, for all processes of these tests; the last one ends the Swarm that one of them has made.

    Not sooner: the engine then forgets the names of running containers, those of Compose too. Leaving also takes all
    stacks of a Swarm away, so one that somebody else has used meanwhile stays.
    """
    folder = tmp_path_factory.getbasetemp()
    path = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "swarm"
    with path.open("a") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        yield path
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.read_text() and not run("docker", "stack", "ls", "--format={{.Name}}").stdout:
                leave_swarm()


@pytest.fixture(scope="session")
def swarm(shared_engine):
    """An engine that is the manager of a Swarm."""
    with shared_engine.with_suffix(".init").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if run("docker", "info", "--format", "{{.Swarm.LocalNodeState}}").stdout.strip() != "active":
            run("docker", "swarm", "init", "--advertise-addr=127.0.0.1")
            shared_engine.write_text("made by these tests")


def leave_swarm():
    run("docker", "swarm", "leave", "--force")
    # It outlives the Swarm, and its firewall rules outlive the engine: they would rewrite the addresses of whichever
    # network gets its subnet next. A stack's networks outlive it where it went in the same moment.
    listed = ["docker", "network", "ls", "--format={{.Driver}} {{.Name}}"]

    def gone():
        networks = [line.split() for line in run(*listed).stdout.splitlines()]
        names = [name for driver, name in networks if driver == "overlay" or name == "docker_gwbridge"]
        for name in names:
            run("docker", "network", "rm", "--force", name, check=False)
        return not names

    wait_for(gone, "the networks of the Swarm to go")


@pytest.fixture(scope="session")
def stack(swarm, tmp_path_factory):
    """Production as a stack, with its first release."""
    with running(tmp_path_factory, "deploy") as production:
        yield production
