"""Projects to add services to, without an engine: the packages are not locked."""

import pytest

from django_compose_stack import dependencies
from django_compose_stack.production import files
from django_compose_stack.scaffold import new
from django_compose_stack.services import command, packages


class Project:
    """A new project. locked: pyproject.toml as it was each time that the packages were locked."""

    def __init__(self, path):
        self.path, self.locked = path, []

    def read(self, name):
        return (self.path / name).read_text()

    def replace(self, name, old, text):
        content = self.read(name)
        assert old in content
        (self.path / name).write_text(content.replace(old, text, 1))

    def contents(self):
        return {str(path.relative_to(self.path)): path.read_bytes() for path in self.path.rglob("*") if path.is_file()}

    def lock(self):
        self.locked.append(self.read("pyproject.toml"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    project = Project(tmp_path / "shop")
    new.write(project.path, new.files("shop", "shop"))
    for module in (command, packages, files):
        monkeypatch.setattr(module, "ROOT", project.path)
    monkeypatch.setattr(dependencies, "write_locks", project.lock)
    monkeypatch.setattr(dependencies, "install", lambda: None)
    monkeypatch.setattr(command, "has_containers", lambda: False)
    return project
