"""Backups as files, with no database behind them."""

import gzip
import hashlib
import os
import subprocess
import time

import pytest

from django_compose_stack.data import backups, restores
from django_compose_stack.data.mysql.server import unreadable
from django_compose_stack.host.process import Failure


class Server:
    """Stands for a server: its dump is a word."""

    user = admin = database = "app"
    suffix = ".dump"

    def __init__(self, folder):
        self.folder = folder

    def dump(self, file):
        file.write(b"dump")

    def check_dump(self, path):
        assert path.read_bytes() == b"dump"


@pytest.mark.parametrize("name", ["a.dump", "a b.dump", "a\nb.dump", "a\\b.dump"])
def test_checksum_as_sha256sum_writes_it_is_understood(tmp_path, name):
    """It marks a name that it had to escape with a backslash before the checksum."""
    path = tmp_path / name
    path.write_bytes(b"dump")
    mark = "\\" if set(name) & {"\n", "\\"} else ""
    (tmp_path / f"{name}.sha256").write_text(f"{mark}{hashlib.sha256(b'dump').hexdigest()}  name\n")

    assert backups.whole(str(path)) == path


def test_command_for_a_missing_checksum_can_be_pasted(tmp_path):
    path = tmp_path / "it's.dump"
    path.touch()

    with pytest.raises(Failure, match="has no checksum") as failure:
        backups.whole(str(path))
    command = str(failure.value).partition("Fix: ")[2].partition("if you trust it: ")[2].rstrip(".")
    subprocess.run(["sh", "-c", command], check=True)

    assert backups.whole(str(path)) == path


def test_what_a_killed_backup_left_goes_with_a_later_one(tmp_path):
    """One that somebody may be writing stays."""
    old, new = tmp_path / "2026-01-01-000000.1.part", tmp_path / "2026-01-01-000001.2.part"
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 2 * backups.STALE,) * 2)

    backups.backup(Server(tmp_path))

    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("keep", ["²", "0", "٣", "1 2"])
def test_keep_that_is_no_number_is_refused(tmp_path, monkeypatch, keep):
    monkeypatch.setenv("KEEP", keep)

    with pytest.raises(Failure) as failure:
        backups.backup(Server(tmp_path))
    assert f"KEEP has value {keep!r}" in str(failure.value)


DUMP = b"-- MariaDB dump\nSELECT 1;\n-- Dump completed on 2026-01-01  0:00:00\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(DUMP, mtime=0), ""),
        (gzip.compress(DUMP, mtime=0)[:-9], "damaged"),
        (gzip.compress(DUMP, mtime=0)[:20], "damaged"),
        (DUMP, "no dump packed by gzip"),
        (b"", "so something is missing"),
        (gzip.compress(DUMP[:20], mtime=0), "so something is missing"),
    ],
    ids=["whole", "cut at its end", "cut short", "not packed", "empty", "no last line"],
)
def test_dump_of_mysql_is_whole_or_says_what_is_wrong(tmp_path, content, problem):
    path = tmp_path / "a.sql.gz"
    path.write_bytes(content)

    assert (problem in unreadable(path)) if problem else (unreadable(path) == "")


def test_restore_and_its_undoing_in_the_same_second_keep_two_databases(tmp_path, monkeypatch):
    monkeypatch.setattr(restores, "stamp", lambda: "2026-01-01-000000")
    statements = []
    databases = []

    class Live(Server):
        database = "app"

        def sql(self, text, database="postgres"):
            if "FROM pg_database" in text:
                return "\n".join(databases)
            if "RENAME TO" in text:
                statements.append(text)
                databases.append(text.split('RENAME TO "')[1].partition('"')[0])
            return ""

    names = [restores.swap(Live(tmp_path), "app_incoming") for _ in range(2)]

    assert names == ["app_before_2026-01-01-000000", "app_before_2026-01-01-000000-2"]
    assert len(statements) == 2
