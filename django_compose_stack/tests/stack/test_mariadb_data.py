"""Backups, restores and passwords of a project on MariaDB, in Docker."""

import gzip
import hashlib
import json
import random
import re
import subprocess

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.stack.checkout import environment, run, wait_for

NOTES = 300
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
END = b"-- Dump completed on 2026-01-01\n"
MIGRATIONS = b"CREATE TABLE django_migrations (app text, name text);\n"
# Restores each of the files that it is given, in one process; prints why each was refused, as JSON.
RESTORE = """
import json, sys
sys.path.insert(0, ".")
from django_compose_stack.data.backups import whole
from django_compose_stack.data.mysql.restores import restore
from django_compose_stack.data.mysql.server import Docker
from django_compose_stack.host.process import Failure

server, said = Docker(), {}
for name in sys.stdin.read().split():
    try:
        restore(server, whole(name))
        said[name] = ""
    except Failure as failure:
        said[name] = str(failure)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def project(mariadb):
    mariadb.sql(f"INSERT INTO pages_note (text, created) SELECT CONCAT('note ', seq), NOW() FROM seq_1_to_{NOTES}")
    yield mariadb
    mariadb.sql("DELETE FROM pages_note")


@pytest.fixture(scope="module")
def dump(project):
    return backup(project)


def fingerprint(project):
    """Return a digest of all that the database holds, and the names of all databases and users."""
    text = project.compose("exec", "-T", "db", "mariadb-dump", "--skip-dump-date", "app").stdout
    names = project.sql("SHOW DATABASES; SELECT user FROM mysql.user ORDER BY 1")
    return hashlib.sha256(text.encode()).hexdigest(), names


def backup(project, **variables):
    name = re.search(r"Wrote (\S+\.sql\.gz)", project.make("backup", **variables).stdout)[1]
    return project.path / name


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


def damaged(dump):
    """Return 50 files that must not be restored, as (what, bytes, has its own checksum)."""
    whole = dump.read_bytes()
    text = gzip.decompress(whole)
    chance = random.Random(4)
    made = []
    for number in range(12):
        made.append((f"cut short {number}", whole[: chance.randrange(5, len(whole))], False))
    for number in range(12):
        made.append((f"bit flipped {number}", flipped(whole, chance.randrange(len(whole))), False))
    # The one who damaged these made a checksum for them. Of gzip's head most bits say nothing.
    for number in range(6):
        made.append((f"cut short, with checksum {number}", whole[: chance.randrange(5, len(whole) - 1)], True))
    for number in range(6):
        made.append((f"bit flipped, with checksum {number}", flipped(whole, chance.randrange(12, len(whole))), True))
    made.append(("empty, with checksum", b"", True))
    made.append(("text", b"not a dump\n" * 100, True))
    made.append(("random bytes", chance.randbytes(5000), True))
    made.append(("not packed", text, True))
    made.append(("twice", whole + whole[5:], False))
    made.append(("another's checksum", whole + b"\0", False))
    made.append(("packed twice", gzip.compress(whole), True))
    for what, statements in {
        "no end": text[: len(text) // 2],
        "no table": b"SELECT 1;\n" + END,
        "no migration": MIGRATIONS + END,
        "another project": MIGRATIONS + b"INSERT INTO django_migrations VALUES ('shop', '0001_initial');\n" + END,
        "SQL of nobody": b"DROP TABLE nothing;\n" + END,
        "another database": b"DROP TABLE app.pages_note;\n" + END,
        "a shell": text.replace(b"CREATE TABLE", b"\\! touch /tmp/escaped\nCREATE TABLE", 1),
    }.items():
        made.append((f"wrong content: {what}", gzip.compress(statements), True))
    assert len(made) == 50
    return made


def test_backup_has_a_checksum_and_all_rows(project, dump):
    run("sha256sum", "--check", f"{dump.name}.sha256", cwd=dump.parent)
    assert dump.stat().st_mode & 0o777 == 0o600
    assert gzip.decompress(dump.read_bytes()).count(b"'note ") == NOTES
    assert dump.name in project.make("backups").stdout
    assert sorted(path.name for path in dump.parent.iterdir()) == [dump.name, f"{dump.name}.sha256"]


def test_restore_brings_everything_back_and_keeps_what_was_there(project, dump):
    before = fingerprint(project)
    project.sql("INSERT INTO pages_note (text, created) VALUES ('after the backup', NOW())")
    project.sql("DELETE FROM pages_note WHERE text = 'note 7'")
    changed = fingerprint(project)

    said = project.make("restore", f"FILE=backups/{dump.name}").stdout

    assert fingerprint(project)[0] == before[0]
    assert "after the backup" not in project.page()
    orphan = project.compose(
        *("exec", "-T", "db", "mariadb", "app", "-e"),
        "INSERT INTO django_admin_log VALUES (1, NOW(), '', '', 1, '', NULL, 4711)",
        check=False,
    )
    assert "a foreign key constraint fails (`app`.`django_admin_log`" in orphan.stderr
    kept = re.search(r"kept as (app_before_[0-9-]+)", said)[1]
    assert f"database {kept}, as it was before a restore" in project.make("backups").stdout
    project.make("restore-undo")
    assert fingerprint(project)[0] == changed[0]
    assert "after the backup" in project.page()
    project.make("restore", f"FILE={dump}")
    assert project.make("restore-forget").stdout.count("Dropped app_before_") == 2
    assert fingerprint(project) == before


def test_restore_ends_a_session_that_holds_a_table(project, dump):
    before = fingerprint(project)
    code = "import pymysql; c = pymysql.connect(host='db', user='app', password='app', database='app').cursor();"
    code += " c.execute('SELECT * FROM pages_note'); print('held', flush=True); c.execute('SELECT SLEEP(300)')"
    words = ["docker", "compose", "exec", "-T", "web", "python", "-c", code]
    options = {"cwd": project.path, "env": environment(WEB_PORT=str(project.port)), "stdin": subprocess.DEVNULL}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as holder:
        assert holder.stdout.readline() == b"held\n"

        project.make("restore", f"FILE={dump}")

        assert b"Lost connection" in holder.stderr.read()
    project.make("restore-forget")
    assert fingerprint(project) == before


def test_server_that_is_killed_in_a_restore_leaves_the_database_as_it_was(project, dump):
    """A session of root, which no restore ends, holds the exchange of the tables up."""
    before = fingerprint(project)
    hold = ["docker", "compose", "exec", "-T", "db", "mariadb", "app"]
    options = {"cwd": project.path, "env": environment(WEB_PORT=str(project.port), MODE="docker"), "text": True}
    exchange = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'RENAME TABLE%'"

    with subprocess.Popen([*hold, "-e", "BEGIN; SELECT * FROM pages_note; SELECT SLEEP(300)"], **QUIET, **options):
        wait_for(lambda: "SLEEP" in project.sql("SHOW PROCESSLIST"), "the session")
        with subprocess.Popen([*STACK, "restore", str(dump)], stderr=subprocess.PIPE, **options) as restore:
            wait_for(lambda: project.sql(exchange) == "1", "the exchange of the tables")
            run("docker", "kill", project.container("db"))
            said = restore.communicate(timeout=120)[1]

    assert restore.returncode != 0
    assert "the database is as it was" in said
    assert fingerprint(project) == before


def test_damaged_dumps_are_refused_and_change_nothing(project, dump, tmp_path):
    before = fingerprint(project)
    checksum = dump.with_name(f"{dump.name}.sha256").read_text()
    names = {}
    for number, (what, content, own_checksum) in enumerate(damaged(dump)):
        path = tmp_path / f"{number}.sql.gz"
        path.write_bytes(content)
        text = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n" if own_checksum else checksum
        path.with_name(f"{path.name}.sha256").write_text(text)
        names[str(path)] = what

    said = json.loads(project.run("python3", "-BIc", RESTORE, input="\n".join(names), timeout=300).stdout)

    assert [what for name, what in names.items() if not said[name]] == []
    assert [what for name, what in names.items() if name not in said[name]] == []
    assert fingerprint(project) == before
    assert run("docker", "exec", project.container("db"), "sh", "-c", "ls /tmp").stdout.split() == []
    reasons = {what: said[name] for name, what in names.items()}
    assert "command denied to user 'stack_restore'@'localhost'" in reasons["wrong content: another database"]
    assert "shop.0001_initial was applied there" in reasons["wrong content: another project"]


@pytest.mark.parametrize(
    ("kind", "create", "drop"),
    [
        ("view", "CREATE VIEW seen AS SELECT 1", "DROP VIEW seen"),
        ("trigger", "CREATE TRIGGER seen BEFORE INSERT ON pages_note FOR EACH ROW SET @a = 1", "DROP TRIGGER seen"),
    ],
)
def test_what_cannot_be_moved_is_refused_by_name(project, dump, kind, create, drop):
    project.sql(create)
    try:
        before = fingerprint(project)

        refused = project.make("restore", f"FILE={dump}", check=False)

        assert f"nothing was restored: the present database has the {kind} seen, and the server" in refused.stderr
        assert fingerprint(project) == before
    finally:
        project.sql(drop)


def test_backup_that_fails_leaves_nothing_behind(project, dump):
    """The limit of the size of a file stands for a disk that is full."""
    before = sorted((project.path / "backups").iterdir())

    full = project.run("sh", "-c", "ulimit -f 1; exec make backup MODE=docker", check=False)

    assert full.returncode != 0
    assert "no backup was written" in full.stderr
    assert sorted((project.path / "backups").iterdir()) == before


def test_password_that_was_changed_in_env_is_given_to_the_database(project):
    before = fingerprint(project)
    (project.path / ".env").write_text("""MYSQL_PASSWORD='a "new" $one# \\ %word@:/?'\n""")

    project.make("db-password")

    assert "MariaDB" in project.page()
    (project.path / ".env").unlink()
    project.make("db-password")
    assert "MariaDB" in project.page()
    assert fingerprint(project) == before


@pytest.mark.parametrize(
    ("line", "problem", "fixed", "back"),
    [
        (
            """MYSQL_PASSWORD='its \\ "another"'""",
            "the database refuses the password of app in .env",
            "Fixed: set the password of app to that of .env.",
            "ALTER USER app@'%' IDENTIFIED BY 'app'",
        ),
        (
            "MYSQL_DATABASE=my_shop",
            "there is no database my_shop, the value of MYSQL_DATABASE, that app may use",
            "Fixed: created the database my_shop, empty, for app.",
            "DROP DATABASE my_shop; REVOKE ALL ON `my\\_shop`.* FROM app@'%'",
        ),
        ("MYSQL_USER=nobody", "the database has no user nobody, the value of MYSQL_USER", "", ""),
    ],
)
def test_doctor_finds_what_the_volume_does_not_have(project, line, problem, fixed, back):
    env = project.path / ".env"
    env.write_text(f"{line}\n")
    try:
        assert f"Problem: {problem}" in project.make("doctor", check=False).stdout
        said = project.make("doctor", "FIX=1", check=False).stdout
        assert fixed in said
        assert (problem in said) is not bool(fixed)
    finally:
        env.unlink()
        project.sql(back or "SELECT 1")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("db-owner", "there is nothing to take from it: app has rights on app and on databases of tests alone"),
        ("upgrade-db TO=12.3", "MARIADB_VERSION=12.3 in .env; make up. To go back: reset, and restore that backup"),
    ],
)
def test_what_mariadb_does_not_need_says_why(project, name, reason):
    refused = project.make(*name.split(), check=False)

    assert refused.returncode != 0
    assert reason in refused.stderr


def test_reset_deletes_the_database_after_a_backup(project):
    words = [*STACK, "reset"]
    said = project.run(*words, MODE="docker")

    assert "Wrote backups/" in said.stdout
    assert run("docker", "volume", "ls", "--quiet", f"--filter=name={project.name}_mariadb-data").stdout == ""
    project.make("up")
    assert "No notes yet" in project.page()
    wait_for(lambda: "MariaDB" in project.page(), "the page")
