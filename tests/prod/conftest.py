"""Production on a real engine. These tests skip where none answers, and fail there with CI set."""

import os
import subprocess

import pytest

from tests.prod.production import Production, run


@pytest.fixture(scope="session", autouse=True)
def engine():
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            run(*command, timeout=30)
        except (OSError, AssertionError, subprocess.TimeoutExpired) as error:
            if os.environ.get("CI"):
                pytest.fail(f"CI is set, and no Docker engine answers: {error}", pytrace=False)
            pytest.skip(f"no Docker engine answers: {error}")


@pytest.fixture(scope="session")
def rehearsal(engine, tmp_path_factory):
    """Production with TLS on odd ports, brought up by `make prod-up`, with an admin in it."""
    production = Production(tmp_path_factory.mktemp("prod"))
    production.add_certificate()
    try:
        production.make("prod-up")
        add_admin(production)
        yield production
    finally:
        production.remove()


@pytest.fixture(scope="session")
def plain(engine, tmp_path_factory):
    """Production with no certificate, as a fresh clone has it."""
    production = Production(tmp_path_factory.mktemp("prod"))
    try:
        production.make("prod-up")
        add_admin(production)
        yield production
    finally:
        production.remove()


def add_admin(production):
    production.run(
        *["docker", "exec", "-e", "DJANGO_SUPERUSER_PASSWORD=pw-for-a-test", production_web(production)],
        *["python", "manage.py", "createsuperuser", "--noinput", "--username=admin", "--email=a@example.com"],
    )


def production_web(production):
    return production.compose("ps", "--quiet", "web").stdout.split()[0]


@pytest.fixture(scope="session")
def swarm(engine):
    """An engine that is the manager of a Swarm; where it was none, it is none again afterwards."""
    state = run("docker", "info", "--format", "{{.Swarm.LocalNodeState}}").stdout.strip()
    if state != "active":
        run("docker", "swarm", "init", "--advertise-addr=127.0.0.1")
    yield
    if state != "active":
        run("docker", "swarm", "leave", "--force")
