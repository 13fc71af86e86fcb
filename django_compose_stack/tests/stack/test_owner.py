"""The role of the application owns the database and is no superuser: in new volumes, and by a command in old ones."""

import hashlib

import pytest

from django_compose_stack.tests.stack.test_data import backup, sql

MOUNT = "  configs:\n    - {source: owner, target: /docker-entrypoint-initdb.d/owner.sql}\n"
# What a visitor would write who can smuggle SQL in.
BREAK_IN = "COPY pages_note (text) FROM PROGRAM 'id'"
# Whatever fills the table calls the function.
HOSTILE = """
CREATE FUNCTION break_in(integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
CREATE TABLE trap (number integer CHECK (break_in(number)));
INSERT INTO trap VALUES (1);
CREATE OR REPLACE FUNCTION break_in(integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch /tmp/broken-in'''; RETURN true; END $$;
"""
# One of each kind that an owner may make, and with it something that follows its table.
OBJECTS = """
CREATE SCHEMA shop;
CREATE TYPE shop.size AS ENUM ('s', 'm');
CREATE TYPE shop.pair AS (a integer, b integer);
CREATE DOMAIN shop.positive AS integer CHECK (VALUE > 0);
CREATE TABLE shop.item (
    id serial PRIMARY KEY, key integer GENERATED ALWAYS AS IDENTITY, size shop.size, "Odd name" text);
CREATE TABLE shop.event (day date) PARTITION BY RANGE (day);
CREATE TABLE shop.event_1 PARTITION OF shop.event FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE SEQUENCE shop.number;
CREATE VIEW shop.small AS SELECT * FROM shop.item WHERE size = 's';
CREATE MATERIALIZED VIEW shop.counted AS SELECT count(*) FROM shop.item;
CREATE FUNCTION shop.twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2';
CREATE PROCEDURE shop.nothing() LANGUAGE sql AS '';
CREATE AGGREGATE shop.total(integer) (SFUNC = int4pl, STYPE = integer);
CREATE STATISTICS shop.both ON size, "Odd name" FROM shop.item;
CREATE TEXT SEARCH CONFIGURATION shop.words (COPY = simple);
CREATE COLLATION shop.plain (LOCALE = 'C');
SELECT lo_create(4711);
CREATE EXTENSION hstore;
"""
FOREIGN = """
SELECT relname FROM pg_class WHERE relowner = 10 AND oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'S')
UNION ALL SELECT typname FROM pg_type WHERE typowner = 10 AND oid >= 16384 AND typname !~ 'hstore'
UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = 10 AND oid >= 16384
UNION ALL SELECT stxname FROM pg_statistic_ext WHERE stxowner = 10
UNION ALL SELECT cfgname FROM pg_ts_config WHERE cfgowner = 10 AND oid >= 16384
UNION ALL SELECT collname FROM pg_collation WHERE collowner = 10 AND oid >= 16384
UNION ALL SELECT oid::text FROM pg_largeobject_metadata WHERE lomowner = 10
UNION ALL SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    WHERE proowner = 10 AND nspname = 'shop'
"""


@pytest.fixture(scope="module")
def project(copies):
    checkout = copies()
    checkout.up()
    yield checkout
    checkout.remove()


@pytest.fixture
def old(copies):
    """A stack whose volume was made before its role lost the rights, and whose files are of now."""
    checkout = copies()
    path = checkout.path / "compose.yaml"
    now = path.read_text()
    assert MOUNT in now
    path.write_text(now.replace(MOUNT, ""))
    checkout.up()
    sql(checkout, OBJECTS)
    checkout.add_note("of before")
    path.write_text(now)
    yield checkout
    checkout.remove()


def psql(project, user, statement, database="app"):
    words = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database, "-c", statement]
    return project.compose("exec", "-T", "db", *words, check=False)


def test_application_cannot_start_a_program_in_the_container(project):
    assert "permission denied to COPY to or from an external program" in psql(project, "app", BREAK_IN).stderr
    assert sql(project, "SELECT rolname FROM pg_roles WHERE rolsuper") == "postgres"
    assert (
        sql(project, "SELECT usename FROM pg_user WHERE usesysid = (SELECT datdba FROM pg_database LIMIT 1)")
        == "postgres"
    )
    assert sql(project, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'") == "app"


def test_superuser_logs_in_by_the_socket_alone(project):
    by_network = 'psql -wU postgres -h "$(hostname -i)" -c "SELECT 1" postgres'

    for password in ("", "app", "none"):
        done = project.compose(
            "exec", "-T", "--env", f"PGPASSWORD={password}", "db", "sh", "-c", by_network, check=False
        )
        assert "password authentication failed" in done.stderr or "no password supplied" in done.stderr
    assert psql(project, "postgres", "SELECT 1").stdout.strip() == "1"


def test_trusted_extension_is_the_owner_s_to_make(project):
    assert psql(project, "app", "CREATE EXTENSION pg_trgm").returncode == 0
    assert "permission denied" in psql(project, "app", "CREATE EXTENSION pg_buffercache").stderr


def test_hostile_dump_is_refused_and_starts_no_program(project):
    project.add_note("kept")
    sql(project, "CREATE DATABASE trap TEMPLATE template0")
    sql(project, HOSTILE, "trap")
    project.compose("exec", "-T", "db", "pg_dump", "-U", "app", "--format=custom", "--file=/tmp/trap.dump", "trap")
    path = project.path / "trap.dump"
    project.compose("cp", "db:/tmp/trap.dump", str(path))
    path.with_suffix(".dump.sha256").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")

    refused = project.make("restore", f"FILE={path}", check=False)

    assert refused.returncode != 0
    assert "permission denied to COPY to or from an external program" in refused.stderr
    assert "the database is as it was" in refused.stderr
    assert project.compose("exec", "-T", "db", "ls", "/tmp/broken-in", check=False).returncode != 0
    assert sql(project, "SELECT text FROM pages_note") == "kept"


def test_restore_makes_the_superuser_s_extensions_again(project):
    assert psql(project, "postgres", "CREATE EXTENSION pg_buffercache").returncode == 0
    psql(project, "app", "COMMENT ON TABLE pages_note IS 'what visitors write'")
    dump = backup(project)
    sql(project, "DELETE FROM pages_note")

    project.make("restore", f"FILE={dump}")

    assert sql(project, "SELECT text FROM pages_note") == "kept"
    assert sql(project, "SELECT extname FROM pg_extension WHERE extname = 'pg_buffercache'") == "pg_buffercache"
    assert sql(project, "SELECT obj_description('pages_note'::regclass)") == "what visitors write"
    assert sql(project, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'") == "app"
    project.make("restore-forget")


def test_old_volume_is_moved_over_and_keeps_its_data(old):
    dump = backup(old)
    old.make("restore", f"FILE={dump}")
    found = old.make("doctor", check=False).stdout
    assert "app, the role of the application, is a superuser of the database" in found
    assert "make db-owner" in found

    said = old.make("db-owner").stdout

    assert "is no superuser" in said
    assert sql(old, "SELECT rolname FROM pg_roles WHERE rolsuper") == "postgres"
    assert sql(old, FOREIGN) == ""
    assert "permission denied" in psql(old, "app", BREAK_IN).stderr
    # It goes on with the password that it had, and may do with its tables what it could.
    assert "of before" in old.page()
    old.add_note("of after")
    old.manage("migrate", "pages", "zero")
    assert sql(old, "ALTER TABLE shop.item ADD extra text; DROP SCHEMA shop CASCADE; SELECT 'done'") == "done"
    assert "superuser" not in old.make("doctor", check=False).stdout
    # Twice changes nothing, and what a restore has kept is the owner's too.
    old.make("db-owner")
    old.make("restore-undo")
    old.manage("migrate")
    assert "of before" in old.page()
    assert sql(old, FOREIGN) == ""


def test_interrupted_move_is_finished_by_the_same_command(old):
    sql(old, "CREATE ROLE stack_helper SUPERUSER LOGIN")

    old.make("db-owner")

    assert sql(old, "SELECT rolname FROM pg_roles WHERE rolsuper") == "postgres"
    assert sql(old, "SELECT count(*) FROM pg_roles WHERE rolname = 'stack_helper'") == "0"


def test_second_superuser_stops_the_move(old):
    sql(old, "CREATE ROLE postgres SUPERUSER")

    refused = old.make("db-owner", check=False)

    assert refused.returncode != 0
    assert "the superusers are app, postgres. Expected app alone" in refused.stderr
    assert sql(old, "SELECT rolsuper FROM pg_roles WHERE rolname = 'app'") == "t"
