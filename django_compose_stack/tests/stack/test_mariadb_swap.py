"""What is refused while a project is on MariaDB, and the way back to Postgres. The last of the tests with MariaDB."""

import pytest

from django_compose_stack.tests.stack.checkout import LONG


@pytest.mark.parametrize("name", ["prod-up", "deploy"])
def test_what_is_for_postgres_alone_is_refused_by_name(mariadb, name):
    refused = mariadb.make(name, MODE=None, check=False)

    assert refused.returncode != 0
    assert "production is for Postgres, and this project has MariaDB.\nFix: " in refused.stderr
    assert not (mariadb.path / "compose.prod.yaml").exists()


def test_mariadb_leaves_no_trace(mariadb):
    said = mariadb.drop("mariadb")
    mariadb.drop("worker")

    assert f"The data of before stays in the volume {mariadb.name}_mariadb-data." in said
    assert mariadb.changes() == ""
    mariadb.make("up", timeout=LONG)
    assert "PostgreSQL" in mariadb.page()
