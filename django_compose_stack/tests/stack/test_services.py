"""Services that are added to a project that runs, seen to work, and removed again without a trace."""

import pytest

from django_compose_stack.tests.stack.checkout import Checkout, run

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
TIMEOUT = 600  # seconds; packages are locked, and images built


class Project(Checkout):
    """A checkout with a commit to compare with."""

    def write_files(self) -> None:
        super().write_files()
        run(*GIT, "init", "--quiet", cwd=self.path)
        run(*GIT, "add", "--all", "--force", cwd=self.path)
        run(*GIT, "commit", "--quiet", "--message=Begin", cwd=self.path)

    def changes(self) -> str:
        return run("git", "status", "--porcelain", cwd=self.path).stdout

    def shell(self, code: str) -> str:
        return self.manage("shell", "--no-imports", "-c", code).strip()

    def add(self, name: str) -> str:
        return self.make("add", f"SERVICE={name}", timeout=TIMEOUT).stdout

    def drop(self, name: str) -> str:
        return self.make("remove", f"SERVICE={name}", timeout=TIMEOUT).stdout


@pytest.fixture(scope="module")
def project(engine, tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("services"))
    project.make("up", timeout=TIMEOUT)
    yield project
    project.remove()


def test_valkey(project):
    """One cache for all processes, sessions that are read from it, and tests that do without it."""
    said = project.add("valkey")
    project.make("up", timeout=TIMEOUT)

    assert said.startswith("Added valkey: .env.example, compose.yaml, config/settings.py, pyproject.toml, the lock")
    project.shell("from django.core.cache import cache; cache.set('colour', 'green', 60)")
    assert project.shell("from django.core.cache import cache; print(cache.get('colour'))") == "green"
    assert "colour" in project.compose("exec", "-T", "valkey", "valkey-cli", "keys", "*").stdout
    made = "from django.test import Client; from apps.accounts.models import User; client = Client(); "
    made += "client.force_login(User.objects.create_user('ada')); print(client.cookies['sessionid'].value)"
    key = project.shell(made).splitlines()[-1]
    assert key in project.compose("exec", "-T", "valkey", "valkey-cli", "keys", "*").stdout
    project.compose("restart", "valkey")
    read = f"from django.contrib.sessions.backends import cached_db; print(len(cached_db.SessionStore({key!r}).load()))"
    assert int(project.shell(read)) > 0, "a restart of the cache has logged somebody out"
    assert project.make("doctor").stdout == "No problem found.\n"
    assert " passed" in project.make("test", "ARGS=-q apps/pages", timeout=TIMEOUT).stdout

    said = project.drop("valkey")

    assert said.startswith("Removed valkey: ")
    assert project.changes() == ""
    assert project.container("db")
    assert run("docker", "ps", "--all", "--quiet", f"--filter=name={project.name}-valkey").stdout == ""
    project.make("up", timeout=TIMEOUT)
    assert "PostgreSQL" in project.page()
    assert project.make("doctor").stdout == "No problem found.\n"
