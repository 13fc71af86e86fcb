#!/usr/bin/env python3
"""data [GIGABYTES]: how long `make backup` and `make restore` take, beside pg_dump and pg_restore with as many jobs.

In a development database of its own, of four tables with an index each (2 GB unless told). What the commands here do
besides is in their time: checksums, a look through the whole file before anything is loaded, statistics. Each is run
once, one after the other. Prints a table in Markdown.

Needs a Docker engine with postgres:18. Standard library only.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GIGABYTES = 2.0
TABLES = 4
ROW = 183  # bytes on disk of a row with its entry in the index, measured
JOBS = min(os.cpu_count() or 1, 4)  # as restores here
FOLDER = "/var/lib/postgresql/bench"
MAKE = """
CREATE TABLE big{0} (id bigint PRIMARY KEY, number int, text text);
INSERT INTO big{0} SELECT i, i % 1000, md5(i::text) || ' ' || md5((i + {0})::text) || ' the same words in each row'
    FROM generate_series(1, {1}) i;
"""
MIGRATIONS = """
CREATE TABLE django_migrations (app text, name text);
INSERT INTO django_migrations VALUES ('pages', '0001_initial');
"""


class Database:
    def __init__(self, folder: Path):
        self.path = folder / f"bench-data-{os.getpid()}"
        self.path.mkdir()
        for name in (".stack", "django_compose_stack", "django_fast_reload"):
            shutil.copytree(ROOT / name, self.path / name, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        for name in ("compose.yaml", "Dockerfile", "Makefile"):
            shutil.copy(ROOT / name, self.path)

    def run(self, *command: str, **options) -> str:
        done = subprocess.run(
            command, cwd=self.path, env={**os.environ, "MODE": "docker"}, capture_output=True, text=True, **options
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def seconds(self, *command: str) -> float:
        began = time.monotonic()
        self.said = self.run(*command)
        return time.monotonic() - began

    def stack(self, *words: str) -> float:
        return self.seconds(sys.executable, ".stack", *words)

    def inside(self, *words: str) -> float:
        return self.seconds("docker", "compose", "exec", "-T", "db", *words)

    def sql(self, statements: str) -> str:
        psql = ["docker", "compose", "exec", "-T", "db", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "app", "app"]
        return self.run(*psql, input=statements).strip()

    def fill(self, gigabytes: float) -> float:
        """Return the size in GB that was reached."""
        rows = int(gigabytes * 1e9 / TABLES / ROW)
        self.sql(MIGRATIONS + "".join(MAKE.format(number, rows) for number in range(TABLES)))
        return int(self.sql("SELECT pg_database_size('app')")) / 1e9

    def remove(self) -> None:
        self.run("docker", "compose", "down", "--volumes", "--timeout=5")


def main() -> None:
    wanted = float(sys.argv[1]) if len(sys.argv) > 1 else GIGABYTES
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder))
        try:
            database.run("docker", "compose", "up", "--detach", "--wait", "db")
            size = database.fill(wanted)
            ours = {"backup": database.stack("backup")}
            file = re.search(r"Wrote (\S+\.dump)", database.said)[1]
            length = (database.path / file).stat().st_size
            jobs = f"--jobs={JOBS}"
            peers = {
                "backup": database.inside("pg_dump", jobs, "--format=directory", f"--file={FOLDER}", "-U", "app", "app")
            }
            database.inside("createdb", "-U", "app", "peer")
            peers["restore"] = database.inside("pg_restore", jobs, "-U", "app", "--dbname=peer", FOLDER)
            database.inside("dropdb", "-U", "app", "peer")
            ours["restore"] = database.stack("restore", file)
            print(f"{size:.2f} GB, a file of {length / 1e9:.2f} GB; {JOBS} jobs; load {os.getloadavg()[0]:.1f}\n")
            print(f"| s | here | pg_dump and pg_restore {jobs} | times as long |\n|---|---|---|---|")
            for what, took in ours.items():
                print(f"| {what} | {took:.0f} | {peers[what]:.0f} | {took / peers[what]:.2f} |")
        finally:
            database.remove()


if __name__ == "__main__":
    main()
