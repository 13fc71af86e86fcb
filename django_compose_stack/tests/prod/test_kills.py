"""Commands that change production, killed at random moments, or Postgres below them, while visitors read and write.

The same command again makes all well. KILLS=200 kills so often; SEED=… draws other moments.
"""

import os
import random
import secrets
import signal
import subprocess
import time

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.prod.load import Load
from django_compose_stack.tests.prod.production import running
from django_compose_stack.tests.prod.test_data_nights import KILL
from django_compose_stack.tests.stack.checkout import environment, run, wait_for

KILLS = int(os.environ.get("KILLS", "3"))
SEED = os.environ.get("SEED", "1")
VICTIMS = ("command", "command and its children", "postgres")
# Seconds that each takes; the first guess.
DURATIONS = {"deploy": 20, "backup": 3, "rollback": 15, "restore": 6, "restore-undo": 3, "db-password": 15}
# Where the first one had done all of its work before it was killed.
DONE = {"rollback": "there is no version before this one", "upgrade-db": "Expected another major version"}
OLD, NEW = "17", "18"
NOTES = "SELECT text FROM pages_note"


class Night:
    """What happens to one production. log: a line for each kill."""

    def __init__(self, production, with_upgrades):
        self.production, self.random = production, random.Random(SEED)
        self.durations = {**DURATIONS, **({"upgrade-db": 40} if with_upgrades else {})}
        self.variables = environment(**production.variables, MODE="production", KEEP="10000")
        self.number, self.log = 0, []
        self.elsewhere = set()  # notes in databases that an upgrade has left in the folder of the other version

    def words(self, name):
        """Prepare what a command needs, and return the words behind it."""
        production = self.production
        if name == "deploy":
            (production.path / "apps/pages/__init__.py").write_text(f"# {self.number}\n")
        elif name == "restore":
            return [str(self.random.choice(sorted(production.path.glob("backups/*/*.dump"))))]
        elif name == "db-password":
            path = production.path / "secrets/postgres_password"
            path.chmod(0o644)
            path.write_text(secrets.token_urlsafe(12))
        elif name == "upgrade-db":
            self.elsewhere |= set().union(*(self.ask(NOTES, kept).split() for kept in self.databases()))
            if self.version() == NEW:
                return [OLD]
            # As its message says: what an upgrade before has left there.
            production.exec("db", "rm", "-rf", f"/var/lib/postgresql/{NEW}")
            return [NEW]
        return []

    def version(self):
        return self.ask("SHOW server_version_num")[:2]

    def ask(self, statement, database="postgres"):
        words = ["psql", "-U", "postgres", "-d", database, "-qAtc", statement]
        return self.production.exec("db", *words).strip()

    def start(self, name, words, log):
        options = {"stdout": log, "stderr": subprocess.STDOUT, "start_new_session": True}
        return subprocess.Popen([*STACK, name, *words], cwd=self.production.path, env=self.variables, **options)

    def kill(self, process, victim):
        if victim == "postgres":
            container = self.container("db")
            # During an upgrade there may be none for a moment.
            run("docker", "exec", container or "none", "sh", "-c", KILL, check=False)
        elif victim == "command":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)

    def container(self, service):
        label = f"label=com.docker.swarm.service.name={self.production.name}_{service}"
        return (run("docker", "ps", "--quiet", f"--filter={label}").stdout.split() or [""])[0]

    def strike(self):
        """Begin a command, kill something, and run the command again if it has not succeeded."""
        self.number += 1
        name = list(self.durations)[self.number % len(self.durations)]
        victim = self.random.choice(VICTIMS)
        moment = self.random.uniform(0, self.durations[name])
        words = self.words(name)
        path = self.production.path.with_suffix(f".{self.number}.log")
        with path.open("w") as log:
            process = self.start(name, words, log)
            try:
                process.wait(moment)
                victim = "nothing"
            except subprocess.TimeoutExpired:
                self.kill(process, victim)
            first = process.wait(900)
        line = f"{self.number}: {name} {' '.join(words)}, {victim} after {moment:.1f} s: {first}"
        if first:
            line += f"; again: {self.again(name, words)}"
        self.log.append(line)
        print(line, flush=True)

    def again(self, name, words):
        lock = ["docker", "ps", "--all", "--quiet", f"--filter=name=^{self.production.name}-lock$"]
        wait_for(lambda: not run(*lock).stdout, "the lock to go", 60)
        wait_for(lambda: self.container("db"), "Postgres to be started again", 120)
        began = time.monotonic()
        done = self.production.run(*STACK, name, *words, check=False, MODE="production", KEEP="10000")
        said = done.stdout + done.stderr
        if done.returncode and DONE.get(name, "\0") in said:
            return "done before"
        assert done.returncode == 0, f"{self.log}\n{name} {words} does not recover:\n{said}"
        self.durations[name] = time.monotonic() - began
        return "0"

    def check(self, acknowledged):
        """Assert that the site is open, that all of it runs, and that nothing acknowledged is lost."""
        production = self.production
        wait_for(lambda: answer(production) == 200, f"the page to be back after {self.log[-1]}", 120)
        wait_for(self.runs, f"all services to run after {self.log[-1]}", 120)
        odd = "SELECT datname FROM pg_database WHERE NOT datallowconn OR datname ~ 'incoming'"
        assert self.ask(odd) == "template0", self.log[-1]
        databases = ["app", *self.databases()]
        missing = set(acknowledged).difference(self.elsewhere, *(self.ask(NOTES, name).split() for name in databases))
        # Going back to the older version leaves them in the backup that it has made.
        for path in sorted(production.path.glob("backups/*/*.dump"), reverse=True) if missing else ():
            with path.open("rb") as file:
                command = ["docker", "exec", "--interactive", self.container("db"), "pg_restore", "--data-only"]
                dumped = subprocess.run([*command, "--table=pages_note", "--file=-"], stdin=file, capture_output=True)
            missing -= set(dumped.stdout.decode().split())
        assert missing == set(), self.log[-1]

    def databases(self):
        """Return the databases that restores have kept."""
        return self.ask("SELECT datname FROM pg_database WHERE datname ~ '^app_before'").split()

    def runs(self):
        template = "--format={{.Name}} {{.Replicas}}"
        listed = run("docker", "stack", "services", template, self.production.name).stdout.splitlines()
        counts = {line.split()[0].rpartition("_")[2]: line.split()[1] for line in listed}
        return [counts.get(name) for name in ("db", "web", "nginx")] == ["1/1", "2/2", "1/1"]


def answer(production):
    try:
        return production.request("/").status
    except OSError:
        return 0


@pytest.fixture(scope="module")
def night(swarm, tmp_path_factory):
    with_upgrades = (
        len(DURATIONS) < KILLS and not run("docker", "image", "inspect", f"postgres:{OLD}", check=False).returncode
    )

    def prepare(production):
        if with_upgrades:
            (production.path / ".env").write_text(f"POSTGRES_VERSION={OLD}\n")

    with running(tmp_path_factory, "deploy", is_quick=True, prepare=prepare) as production:
        production.make("backup", MODE="production")
        production.make("restore", f"FILE={next(production.path.glob('backups/*/*.dump'))}", MODE="production")
        yield Night(production, with_upgrades)


def test_killed_command_again_makes_all_well(night):
    with Load(night.production, pause=0.3) as load:
        for _ in range(KILLS):
            night.strike()
            night.check(load.acknowledged)
    print(f"\n{KILLS} kills, {len(load.acknowledged)} notes acknowledged, none lost: {load.answers}")

    assert len(load.acknowledged) > 0
