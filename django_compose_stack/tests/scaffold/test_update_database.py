"""A project on MariaDB is updated like any other, and remains on it."""

import re
import shutil

from django_compose_stack.services import definition
from django_compose_stack.services.blocks import insert
from django_compose_stack.tests import ROOT
from django_compose_stack.tests.scaffold import releases

MANAGED = "starter/managed/"


def test_project_on_mariadb_is_updated_and_remains_on_it(project, tmp_path):
    """Changes beside its blocks and in them arrive; what was Postgres' alone does not."""
    shutil.copytree(ROOT / "django_compose_stack/scaffold/production", project.path, dirs_exist_ok=True)
    for block in definition.own()["mariadb"].blocks:
        project.write(block.file, insert(project.read(block.file), block))
    project.commit()
    edits = {
        f"{MANAGED}compose.yaml": ("    stdin_open: true\n", "    stdin_open: true\n    cpus: 2\n"),
        "scaffold/production/compose.prod.yaml": ("limits: {memory: 1G, pids: 300}", "limits: {memory: 2G, pids: 300}"),
        "services/mariadb.txt": ("command: [--max-connections=200]", "command: [--max-connections=250]"),
    }
    before = {name: project.read(name) for name in ("compose.yaml", "compose.prod.yaml")}

    done = project.stack("update", releases.write(tmp_path / "next", releases.make("1.1.0", edits)))

    assert done.stderr == ""
    assert project.read("compose.yaml") == before["compose.yaml"].replace(
        "    stdin_open: true\n", "    stdin_open: true\n    cpus: 2\n"
    )
    assert project.read("compose.prod.yaml") == before["compose.prod.yaml"].replace(
        "memory: 1G, pids: 300", "memory: 2G, pids: 300", 1
    ).replace("--max-connections=200", "--max-connections=250")
    assert re.findall("postgres", project.read("compose.yaml") + project.read("compose.prod.yaml")) == []
    assert project.stack("update", tmp_path / "next").stdout.startswith("Was updated already")
