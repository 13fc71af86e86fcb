"""Backups, restores, passwords and versions of the development database, in Docker."""

import base64
import contextlib
import gzip
import hashlib
import random
import re
import signal
import subprocess
import zlib

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.stack.checkout import environment, run, wait_for

NOTES = 300


@pytest.fixture(scope="module")
def project(copies):
    """A development stack that is up, with some notes. Tests leave it up and as it was."""
    checkout = copies()
    checkout.up()
    sql(
        checkout,
        f"INSERT INTO pages_note (text, created) SELECT 'note ' || n, now() FROM generate_series(1, {NOTES}) n",
    )
    yield checkout
    checkout.remove()


@pytest.fixture
def version_99():
    """Let Postgres 18 stand for a later version."""
    run("docker", "tag", "postgres:18", "postgres:99")
    yield
    run("docker", "rmi", "postgres:99")


@pytest.fixture(scope="module")
def dump(project):
    return backup(project)


def sql(project, statements, database="app", user="app"):
    words = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database]
    return project.compose("exec", "-T", "db", *words, input=statements).stdout.strip()


def fingerprint(project):
    """Return a digest of all that the database holds, and the names of all databases."""
    text = project.compose("exec", "-T", "db", "pg_dump", "-U", "app", "app").stdout
    # These two lines have a random word in them.
    lines = [line for line in text.splitlines() if not re.match(r"\\(un)?restrict ", line)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest(), sql(
        project, "SELECT datname FROM pg_database ORDER BY 1"
    )


def backup(project, **variables):
    name = re.search(r"Wrote (\S+\.dump)", project.make("backup", **variables).stdout)[1]
    return project.path / name


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


def notes_of(whole):
    """Return (start, end) of the compressed rows of the notes in a dump, without zlib's own head and checksum."""
    for found in re.finditer(b"x\x01", whole):
        stream = zlib.decompressobj()
        with contextlib.suppress(zlib.error):
            if b"note 1\t" in stream.decompress(whole[found.start() :]):
                return found.end(), len(whole) - len(stream.unused_data) - 5
    raise AssertionError("the dump has no notes in it")


def assert_nothing_changed(project, before):
    assert fingerprint(project) == before
    assert "PostgreSQL 18" in project.page()
    assert not (project.path / ".env").exists()
    assert sql(project, "SELECT pg_ls_dir('/var/lib/postgresql/99')", user="postgres") == ""


def damaged(project, dump):
    """Return 50 files that must not be restored, as (what, bytes, has its own checksum).

    A bit that flips in the definitions, with a checksum made anew, is not among them: many of those bits say nothing,
    and some that do, such as an index's name, are as good as any other to Postgres.
    """
    whole = dump.read_bytes()
    chance = random.Random(4)
    made = []
    for number in range(12):
        made.append((f"cut short {number}", whole[: chance.randrange(5, len(whole))], False))
    for number in range(12):
        made.append((f"bit flipped {number}", flipped(whole, chance.randrange(len(whole))), False))
    # The one who damaged these made a checksum for them.
    for number in range(6):
        made.append((f"cut short, with checksum {number}", whole[: chance.randrange(5, len(whole) * 9 // 10)], True))
    start, end = notes_of(whole)
    # Their length stands before them. pg_restore itself would read this one for ever.
    length = int.from_bytes(whole[start - 6 : start - 2], "little") + 1
    longer = whole[: start - 6] + length.to_bytes(4, "little") + whole[start - 2 :]
    made.append(("block too long, with checksum", longer, True))
    for number in range(5):
        made.append(
            (f"bit flipped in the notes, with checksum {number}", flipped(whole, chance.randrange(start, end)), True)
        )
    made.append(("empty", b"", False))
    made.append(("empty, with checksum", b"", True))
    made.append(("its header alone", whole[:5], True))
    made.append(("text", b"not a dump\n" * 100, True))
    made.append(("random bytes", chance.randbytes(5000), True))
    made.append(("compressed", gzip.compress(whole), True))
    made.append(("SQL", b"DROP TABLE pages_note; SELECT 1;\n", True))
    made.append(("twice", whole + whole[5:], False))
    made.append(("another's checksum", whole + b"\0", False))
    for what, statements in {
        "no table": "SELECT 1",
        "no Django": "CREATE TABLE pages_note (id int); INSERT INTO pages_note VALUES (1)",
        "no migration": "CREATE TABLE django_migrations (app text, name text)",
        "another project": "CREATE TABLE django_migrations (app text, name text);"
        "INSERT INTO django_migrations VALUES ('shop', '0001_initial'), ('auth', '0001_initial')",
        "other columns": "CREATE TABLE django_migrations (id int)",
    }.items():
        made.append((f"wrong database: {what}", dump_of(project, statements), True))
    assert len(made) == 50
    return made


def dump_of(project, statements):
    sql(project, "CREATE DATABASE other", "postgres")
    sql(project, statements, "other")
    words = ["sh", "-c", "pg_dump -U app --format=custom other | base64"]
    encoded = project.compose("exec", "-T", "db", *words).stdout
    sql(project, "DROP DATABASE other", "postgres")
    return base64.b64decode(encoded)


def test_backup_has_a_checksum_that_everybody_can_check(project, dump):
    assert dump.read_bytes().startswith(b"PGDMP")
    run("sha256sum", "--check", f"{dump.name}.sha256", cwd=dump.parent)
    assert dump.stat().st_mode & 0o777 == 0o600
    assert sorted(path.suffix for path in dump.parent.iterdir()) == [".dump", ".sha256"]
    assert dump.name in project.make("backups").stdout


def test_backups_beyond_the_number_to_keep_go(project, dump):
    folder = project.path / "backups"
    old = [folder / f"2020-01-0{day}-000000.dump" for day in (1, 2, 3)]
    for path in old:
        path.write_bytes(b"")
        path.with_suffix(".dump.sha256").write_text("")

    new = backup(project, KEEP="3")

    assert {path.name for path in folder.glob("*.dump")} == {old[2].name, dump.name, new.name}
    assert not old[0].with_suffix(".dump.sha256").exists()
    for path in (old[2], new):
        path.unlink()
        path.with_suffix(".dump.sha256").unlink()


def test_backups_with_a_name_of_their_own_stay_and_take_no_place_of_another(project, dump):
    """Their names sort behind those of all backups, as if they were newer."""
    folder = project.path / "backups"
    named = [folder / "before-upgrade.dump", folder / "named.dump"]
    old = folder / "2020-01-01-000000.dump"
    for path in (*named, old):
        path.write_bytes(b"")

    new = backup(project, KEEP="2")

    assert set(folder.glob("*.dump")) == {*named, dump, new}
    for path in (*named, new, new.with_suffix(".dump.sha256")):
        path.unlink()


def test_restore_brings_everything_back_and_keeps_what_was_there(project, dump):
    before = fingerprint(project)
    sql(project, "INSERT INTO pages_note (text, created) VALUES ('after the backup', now())")
    sql(project, "DELETE FROM pages_note WHERE id < 9")
    changed = fingerprint(project)

    said = project.make("restore", f"FILE=backups/{dump.name}").stdout

    assert fingerprint(project)[0] == before[0]
    assert "after the backup" not in project.page()
    kept = re.search(r"kept as (app_before_[0-9-]+)", said)[1]
    assert f"database {kept}, as it was before a restore" in project.make("backups").stdout
    project.make("restore-undo")
    assert fingerprint(project)[0] == changed[0]
    assert "after the backup" in project.page()
    project.make("restore", f"FILE={dump}")
    assert project.make("restore-forget").stdout.count("Dropped app_before_") == 2
    assert fingerprint(project) == before


def test_restore_that_is_interrupted_leaves_the_database_open(project, dump):
    """A backend that does not end, because it is stopped, holds the exchange of the names up."""
    before = fingerprint(project)
    words = ["docker", "compose", "exec", "-T", "db", "psql", "-U", "app", "-c", "SELECT pg_sleep(99)"]
    options = {"cwd": project.path, "env": environment(WEB_PORT=str(project.port)), "stderr": subprocess.DEVNULL}
    query = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(99)'"
    exchange = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%RENAME TO%' AND pid <> pg_backend_pid()"

    with subprocess.Popen(words, stdin=subprocess.DEVNULL, **options):
        backend = wait_for(lambda: sql(project, query, "postgres"), "the backend")
        project.compose("exec", "-T", "db", "sh", "-c", f"kill -STOP {backend}")
        with subprocess.Popen([*STACK, "restore", str(dump)], **options) as restore:
            try:
                wait_for(lambda: sql(project, exchange, "postgres", "postgres") != "0", "the exchange of the names")
                restore.send_signal(signal.SIGINT)
                wait_for(lambda: sql(project, "SELECT 1", "app") == "1", "the database to be open again")
            finally:
                project.compose("exec", "-T", "db", "sh", "-c", f"kill -CONT {backend}")

    assert restore.returncode != 0
    assert fingerprint(project) == before


def test_damaged_dumps_are_refused_and_change_nothing(project, dump, tmp_path):
    before = fingerprint(project)
    files = damaged(project, dump)
    checksum = dump.with_suffix(".dump.sha256").read_text()

    accepted = []
    for number, (what, content, own_checksum) in enumerate(files):
        path = tmp_path / f"{number}.dump"
        path.write_bytes(content)
        path.with_suffix(".dump.sha256").write_text(
            f"{hashlib.sha256(content).hexdigest()}  {path.name}\n" if own_checksum else checksum
        )
        refused = project.run(*STACK, "restore", str(path), check=False)
        if refused.returncode == 0:
            accepted.append(what)
        if what.startswith("block too long"):
            assert "pg_restore does not finish reading it" in refused.stderr
        assert str(path) in refused.stderr, (what, refused.stderr)
        assert "Traceback" not in refused.stderr, refused.stderr

    assert accepted == []
    assert fingerprint(project) == before


def test_dump_without_a_checksum_is_refused(project, dump, tmp_path):
    path = tmp_path / "foreign.dump"
    path.write_bytes(dump.read_bytes())

    refused = project.make("restore", f"FILE={path}", check=False)

    assert "has no checksum.\nFix: if you trust it: cd" in refused.stderr
    assert "there is no file" in project.make("restore", "FILE=backups/none.dump", check=False).stderr
    assert "FILE is missing" in project.make("restore", check=False).stderr


def test_backup_that_fails_leaves_nothing_behind(project, dump):
    """The limit of the size of a file stands for a disk that is full."""
    before = sorted((project.path / "backups").iterdir())

    full = project.run("sh", "-c", "ulimit -f 1; exec make backup MODE=docker", check=False)
    wrong = project.make("backup", KEEP="none", check=False)

    assert full.returncode != 0
    assert "no backup was written" in full.stderr
    assert "KEEP has value 'none'. Expected how many backups to keep, 1 or more" in wrong.stderr
    assert sorted((project.path / "backups").iterdir()) == before


def test_password_that_was_changed_in_env_is_given_to_the_database(project):
    before = fingerprint(project)
    (project.path / ".env").write_text("""POSTGRES_PASSWORD='a "new" $one# \\ %word@:/?'\n""")

    project.make("db-password")

    assert "PostgreSQL" in project.page()
    assert fingerprint(project) == before
    (project.path / ".env").unlink()
    project.make("db-password")
    assert "PostgreSQL" in project.page()


def test_upgrade_from_17_to_18_and_back(copies):
    """Everything is there afterwards, the old data stays, and what was written since is in a backup."""
    if run("docker", "image", "inspect", "postgres:17", check=False).returncode:
        pytest.skip("the engine has no image postgres:17")
    project = copies()
    env = project.path / ".env"
    env.write_text("POSTGRES_VERSION=17\n")
    project.up()
    assert "PostgreSQL 17" in project.page()
    sql(project, f"INSERT INTO pages_note (text, created) SELECT n, now() FROM generate_series(1, {NOTES}) n")
    sql(project, "CREATE ROLE reader PASSWORD 'secret'; GRANT SELECT ON pages_note TO reader", "app", "postgres")
    rows = sql(project, "SELECT md5(string_agg(n::text, ',' ORDER BY id)) FROM pages_note n")

    project.make("upgrade-db", "TO=18", timeout=600)

    assert "PostgreSQL 18" in project.page()
    assert "POSTGRES_VERSION=18" in env.read_text()
    assert sql(project, "SELECT md5(string_agg(n::text, ',' ORDER BY id)) FROM pages_note n") == rows
    assert sql(project, "SELECT has_table_privilege('reader', 'pages_note', 'SELECT')") == "t"
    assert sql(project, "SELECT rolname FROM pg_roles WHERE rolsuper") == "postgres"
    assert sql(project, "SELECT rolpassword IS NULL FROM pg_authid WHERE rolsuper", user="postgres") == "t"
    assert sql(project, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'") == "app"
    again = project.make("upgrade-db", "TO=18", check=False)
    assert "Expected another major version of Postgres than 18, which runs" in again.stderr

    project.add_note("written to 18")
    said = project.make("upgrade-db", "TO=17", timeout=600).stdout

    assert "PostgreSQL 17" in project.page()
    assert sql(project, "SELECT md5(string_agg(n::text, ',' ORDER BY id)) FROM pages_note n") == rows
    assert "What was written since is in backups/" in said
    refused = project.make("upgrade-db", "TO=18", check=False)
    assert "holds data of an earlier upgrade.\nFix: keep it, or, if nobody needs it: docker exec" in refused.stderr
    assert "PostgreSQL 17" in project.page()
    project.remove()


def test_upgrade_that_is_terminated_changes_nothing(project, dump, version_99):
    """As by the end of the connection to the machine that it runs on."""
    before = fingerprint(project)
    new = f"{project.container('db')[:12]}-upgrade"

    command = [*STACK, "upgrade-db", "99"]
    variables = environment(WEB_PORT=str(project.port))
    with subprocess.Popen(command, cwd=project.path, env=variables, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: run("docker", "ps", "--quiet", f"--filter=name={new}").stdout, "the new server")
        process.send_signal(signal.SIGHUP)
        _, said = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "Nothing has changed: starting Postgres 18 and web again" in said
    assert_nothing_changed(project, before)
    assert run("docker", "ps", "--all", "--quiet", f"--filter=name={new}").stdout == ""


def test_upgrade_that_fails_half_way_changes_nothing(project, dump, version_99):
    """What refers to a table without its schema works here and cannot be loaded anywhere: the path is empty then."""
    sql(
        project, "CREATE FUNCTION known(text) RETURNS bool LANGUAGE sql AS 'SELECT count(*) > 0 FROM pages_note'", "app"
    )
    sql(project, "ALTER TABLE pages_note ADD CONSTRAINT odd CHECK (known(text))", "app")
    before = fingerprint(project)

    failed = project.make("upgrade-db", "TO=99", check=False, timeout=600)

    assert failed.returncode != 0
    assert 'relation "pages_note" does not exist' in failed.stderr
    assert "Nothing has changed: starting Postgres 18 and web again" in failed.stderr
    assert_nothing_changed(project, before)
    sql(project, "ALTER TABLE pages_note DROP CONSTRAINT odd; DROP FUNCTION known")
