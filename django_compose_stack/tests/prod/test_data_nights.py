"""Restores and upgrades of which something dies half way, or of which there are two."""

import re
import subprocess

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.prod.production import Production, running
from django_compose_stack.tests.prod.test_nights import docker_stand_in
from django_compose_stack.tests.stack.checkout import environment, run, wait_for

KILL = "kill -9 $(cat /proc/1/task/1/children)"
DATABASE = {"MODE": "production"}
# Stands for docker: ends the command that has just moved a folder of data to its place.
KILLS_THE_MOVER = """#!/bin/sh
case "$*" in
    *" mv /var/lib/postgresql/"*) {docker} "$@"; kill -9 $PPID ;;
    *) exec {docker} "$@" ;;
esac
"""
# Eight hash joins at once, each with shared memory of its own.
JOIN = """
SET max_parallel_workers_per_gather = 4; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0; SET enable_mergejoin = off; SET enable_nestloop = off; SET work_mem = '64MB';
SELECT count(*) FROM big a JOIN big b ON a.id = b.id
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    """Production with Compose, and a backup of it. Each test leaves it well."""
    with running(tmp_path_factory, "prod-up") as production:
        yield production


@pytest.fixture(scope="module")
def backup(production):
    return re.search(r"Wrote (\S+\.dump)", production.make("backup", **DATABASE).stdout)[1]


def restoring(production, backup):
    """Return a restore that runs in the background."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    variables = environment(**production.variables, **DATABASE)
    return subprocess.Popen([*STACK, "restore", backup], cwd=production.path, env=variables, **options)


def answer(production):
    try:
        return production.request("/").status
    except OSError:
        return 0


def ask(production, statement):
    """Run SQL as the superuser, beside the application's database."""
    return production.exec("db", "psql", "-U", "postgres", "-d", "postgres", "-qAtc", statement).strip()


def test_database_that_dies_while_the_names_change(production, backup):
    """A stopped backend holds the exchange up, so that it is under way when all of Postgres is killed."""
    wait_for(lambda: answer(production) == 200, "the page")
    pid = ask(production, "SELECT pid FROM pg_stat_activity WHERE datname = 'app' LIMIT 1")
    production.exec("db", "sh", "-c", f"kill -STOP {pid}")
    under_way = "SELECT 1 FROM pg_stat_activity WHERE query ~ 'ALTER DATABASE' AND pid <> pg_backend_pid()"
    under_way += " UNION SELECT 1 FROM pg_database WHERE NOT datallowconn AND datname = 'app'"
    # In one go inside of the container: the exchange is given up after five seconds.
    watch = f'until [ -n "$(psql -U postgres -qAtc "$1")" ]; do sleep 0.1; done; {KILL}'
    process = restoring(production, backup)

    production.compose("exec", "-T", "db", "sh", "-c", watch, "sh", under_way, check=False)
    said, _ = process.communicate(timeout=180)

    wait_for(lambda: answer(production) == 200, "the page to be back", timeout=60)
    assert process.returncode != 0
    assert "the database is as it was" in said
    odd = "SELECT datname FROM pg_database WHERE NOT datallowconn OR datname ~ 'incoming'"
    assert ask(production, odd) == "template0"
    production.make("restore", f"FILE={backup}", **DATABASE)
    wait_for(lambda: answer(production) == 200, "the page")
    production.make("restore-forget", **DATABASE)


def test_second_restore_at_once_is_refused(production, backup):
    process = restoring(production, backup)
    lock = ["docker", "ps", "--quiet", f"--filter=name=^{production.name}-lock$"]
    wait_for(lambda: run(*lock).stdout or process.poll() is not None, "the lock")

    refused = production.make("restore-undo", check=False, **DATABASE)
    said, _ = process.communicate(timeout=180)

    assert refused.returncode != 0
    assert f"`restore` of {production.name} runs, by " in refused.stderr
    assert (process.returncode, said.count("Restored")) == (0, 1)
    production.make("restore-forget", **DATABASE)


def test_eight_hash_joins_have_room_in_shared_memory(production):
    ask(production, "CREATE TABLE big AS SELECT id, md5(id::text) FROM generate_series(1, 700000) id")
    psql = [*STACK, "prod-exec", "db", "psql", "-U", "postgres", "-qAt", "-c", JOIN]
    variables = environment(**production.variables)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "stdin": subprocess.DEVNULL}
    joins = [subprocess.Popen(psql, cwd=production.path, env=variables, **options) for _ in range(8)]

    said = [join.communicate(timeout=120)[0].strip() for join in joins]

    ask(production, "DROP TABLE big")
    assert said == ["700000"] * 8


@pytest.mark.parametrize("way", ["prod-up", "deploy"])
def test_upgrade_that_was_killed_is_begun_again(tmp_path, swarm, way):
    if run("docker", "image", "inspect", "postgres:17", check=False).returncode:
        pytest.skip("the engine has no image postgres:17")
    production = Production(tmp_path)
    production.make_quick()
    (production.path / ".env").write_text("POSTGRES_VERSION=17\n")
    (tmp_path / "bin").mkdir()
    try:
        production.make(way)
        production.sql("CREATE TABLE mark (id int)")
        path = docker_stand_in(tmp_path / "bin", KILLS_THE_MOVER)
        killed = production.make("upgrade-db", "TO=18", check=False, PATH=path, **DATABASE)
        assert killed.returncode != 0
        assert answer(production) != 200
        lock = ["docker", "ps", "--quiet", f"--filter=name=^{production.name}-lock$"]
        wait_for(lambda: not run(*lock).stdout, "the lock to go")

        done = production.make("upgrade-db", "TO=18", **DATABASE)

        assert "an upgrade to 18 was interrupted: starting it again" in done.stderr
        wait_for(lambda: answer(production) == 200, "the page to be back")
        assert production.sql("SHOW server_version_num").startswith("18")
        assert production.sql("SELECT count(*) FROM mark") == "0"
    finally:
        production.remove()
