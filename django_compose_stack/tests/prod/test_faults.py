"""What breaks while visitors read and write; afterwards everything that was acknowledged is there."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.prod.load import THREADS, Load
from django_compose_stack.tests.prod.production import Production, running
from django_compose_stack.tests.stack.checkout import run, wait_for

WRITES = float(os.environ.get("WRITES") or 12)  # seconds in which the database is killed again and again
# Ends the children of the container's init, and so the container; init itself cannot be killed from inside.
KILL = "kill -9 $(cat /proc/1/task/1/children)"
SLOW = """
import time

from django.db import migrations


def once(apps, schema_editor):
    time.sleep(2)
    apps.get_model("pages", "Note").objects.create(text="from the migration")


class Migration(migrations.Migration):
    dependencies = [("pages", "0001_initial")]
    operations = [migrations.RunPython(once)]
"""
INDEX = """
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("pages", "0002_slow")]
    operations = [AddIndexConcurrently("note", models.Index(fields=["text"], name="note_text"))]
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    """Production of its own, with Compose and two replicas. Each test leaves it well."""
    with running(tmp_path_factory, "prod-up") as production:
        yield production


def kill(production, service):
    production.compose("exec", "-T", service, "sh", "-c", KILL, check=False)


def is_well(production):
    return all(production.request("/").status == 200 for _ in range(10))


def missing(production, load):
    """Return the notes that were acknowledged and are not in the database."""
    return set(load.acknowledged) - set(production.sql("SELECT text FROM pages_note").split())


def statuses(load, cut=0):
    """Return the statuses other than those that were hoped for; a text is an error where no answer came.

    cut: how many answers may have been cut short. Nginx passes on what a process has sent before it was killed.
    """
    short = {answer: count for answer, count in load.failed.items() if str(answer[1]).startswith("IncompleteRead")}
    assert sum(short.values()) <= cut, short
    return {status for _, status in load.failed.keys() - short.keys()}


def test_killed_worker(production):
    """Its container goes on; what the other workers do is not disturbed."""
    with Load(production) as load:
        time.sleep(1)
        workers = "cat /proc/$(cat /proc/1/task/1/children | tr -d ' ')/task/*/children"
        for _ in range(3):
            production.compose("exec", "-T", "web", "sh", "-c", f"set -- $({workers}); kill -9 $1")
            time.sleep(2)

    assert statuses(load, cut=3 * THREADS) <= {503}
    assert sum(load.failed.values()) < 50
    assert missing(production, load) == set()
    assert is_well(production)


def test_killed_web(production):
    """One of two replicas ends at once; the other serves, and the engine starts the first again."""
    before = production.inspect_all("web", "{{.RestartCount}}")
    with Load(production) as load:
        time.sleep(2)
        kill(production, "web")
        wait_for(lambda: production.inspect_all("web", "{{.RestartCount}}") != before, "the engine to start it again")
        wait_for(
            lambda: set(production.inspect_all("web", "{{.State.Health.Status}}")) == {"healthy"}, "its health", 90
        )

    assert statuses(load, cut=THREADS) <= {503}
    assert missing(production, load) == set()
    assert is_well(production)


def test_killed_database(production):
    """Writers are told to come again; nothing that was acknowledged is lost."""
    kills, end = 0, time.monotonic() + WRITES
    (before,) = production.inspect_all("db", "{{.RestartCount}}")
    with Load(production) as load:
        while time.monotonic() < end:
            time.sleep(4)
            kill(production, "db")
            kills += 1
            wait_for(lambda: is_well(production), "the page to be back", timeout=90)

    (after,) = production.inspect_all("db", "{{.RestartCount}}")
    print(f"{kills} kills in {WRITES:.0f} s, {len(load.acknowledged)} rows acknowledged, answers {dict(load.answers)}")
    assert int(after) - int(before) == kills
    assert statuses(load) <= {503}
    assert len(load.acknowledged) > 50
    assert missing(production, load) == set()


def test_killed_nginx(production):
    with Load(production) as load:
        time.sleep(2)
        kill(production, "nginx")
        time.sleep(1)
        wait_for(lambda: answers(production), "the page to be back")
        time.sleep(2)

    assert missing(production, load) == set()
    assert is_well(production)


def answers(production):
    try:
        return production.request("/").status == 200
    except OSError:
        return False


@pytest.mark.parametrize(("way", "seconds"), [("stop", 20), ("pause", 10)])
def test_database_that_is_away(production, way, seconds):
    """Requests are answered with 503 and Retry-After meanwhile, and soon after all workers serve again."""
    back = {"stop": "start", "pause": "unpause"}[way]
    with Load(production) as load:
        time.sleep(2)
        production.compose(way, "db")
        time.sleep(seconds)
        answer = production.request("/") if way == "stop" else None
        production.compose(back, "db")
        wait_for(lambda: is_well(production), "the page to be back")
        with ThreadPoolExecutor(32) as pool:
            afterwards = set(pool.map(lambda _: production.request("/").status, range(64)))

    if answer:
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "Back in a moment" in answer.body
    assert statuses(load) <= {503}
    assert afterwards == {200}
    assert missing(production, load) == set()


def test_full_disk_of_the_database(tmp_path):
    """The disk is 200 MB in memory. Writes are refused while it is full; with room again everything goes on."""
    production = Production(tmp_path)
    production.bring_files()
    path = production.path / "compose.prod.yaml"
    tmpfs = "  postgres:\n    driver_opts: {type: tmpfs, device: tmpfs, o: 'size=200m,uid=999,mode=1777'}\n"
    path.write_text(re.sub(r"  postgres:\n\Z", tmpfs, path.read_text()))
    try:
        production.make("prod-up")
        # Holds the disk while the database's container is started again.
        volume = f"--volume={production.name}_postgres:/disk"
        holder = ["docker", "run", "--detach", "--rm", f"--name={production.name}-holder", volume, "nginx:1.30"]
        run(*holder, "sleep", "600")
        with Load(production) as load:
            wait_for(lambda: len(load.acknowledged) > 20, "some notes")
            fill = "dd if=/dev/zero of=/disk/ballast bs=1M count=500 || true"
            run("docker", "exec", f"{production.name}-holder", "sh", "-c", fill)
            wait_for(lambda: ("note", 503) in load.answers, "a write to be refused", timeout=120)
            run("docker", "exec", f"{production.name}-holder", "rm", "/disk/ballast")
            wait_for(lambda: is_well(production), "the page to be back", timeout=120)
            seen = len(load.acknowledged)
            wait_for(lambda: len(load.acknowledged) > seen + 20, "notes to be accepted again")

        assert statuses(load) <= {503}
        assert missing(production, load) == set()
    finally:
        run("docker", "rm", "--force", f"{production.name}-holder", check=False)
        production.remove()


def test_eight_migrators_at_once(production):
    """One applies each migration, an index built concurrently among them; none fails."""
    folder = production.path / "apps/pages/migrations"
    (folder / "0002_slow.py").write_text(SLOW)
    (folder / "0003_index.py").write_text(INDEX)
    production.compose("build", "--quiet", "web")

    command = [*STACK, "prod-compose", "run", "--rm", "--no-deps", "-T", "migrate"]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: production.run(*command, check=False), range(8)))

    assert [process.returncode for process in done] == [0] * 8, [process.stderr for process in done]
    assert sum(process.stdout.count("Applying pages.0002_slow... OK") for process in done) == 1
    assert sum(process.stdout.count("Applying pages.0003_index... OK") for process in done) == 1
    assert production.sql("SELECT count(*) FROM pages_note WHERE text = 'from the migration'") == "1"
    assert production.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'note_text'::regclass") == "t"


def test_too_many_threads_for_postgres_keep_web_from_starting(production):
    refused = production.run(
        *["docker", "compose", "--project-name", production.name, "--file", "compose.prod.yaml"],
        *["run", "--rm", "--no-deps", "-T", "web"],
        check=False,
        WEB_REPLICAS="40",
        WEB_CONCURRENCY="8",
    )

    assert refused.returncode != 0
    assert "WEB_REPLICAS=40, plus one during a deploy, times WEB_CONCURRENCY=8" in refused.stderr + refused.stdout
