"""What docs/pains.md claims and no other test shows."""

import json
import time

IDLE = 10  # seconds
TICKS = 100  # a second
MOST = 0.004  # of a core; Django's own reloader takes twice that for so small a project, and more for a larger one


def test_health_check_leaves_no_error_in_the_log(stack):
    """A probe that names no role or database makes Postgres complain each time."""
    before = stack.logs("db")
    services = json.loads(stack.compose("config", "--format=json").stdout)["services"]
    kind, probe = services["db"]["healthcheck"]["test"]

    # Compose doubles each $ in what it prints.
    stack.compose("exec", "-T", "db", "sh", "-c", probe.replace("$$", "$"))

    assert kind == "CMD-SHELL"
    assert "ready to accept connections" in before
    assert "FATAL" not in stack.logs("db").removeprefix(before)


def test_idle_server_uses_next_to_no_processor(stack):
    """CPU time of all processes in the container, so that a busy machine does not count."""
    script = "cat /proc/[0-9]*/stat"
    stack.page()

    def used():
        lines = stack.compose("exec", "-T", "web", "sh", "-c", script, check=False).stdout.splitlines()
        # Those of the server alone: the probe itself and the health check come and go.
        return {
            line.split()[0]: sum(map(int, line.rpartition(")")[2].split()[11:13]))
            for line in lines
            if "(python)" in line
        }

    before = used()
    time.sleep(IDLE)
    after = used()

    ticks = sum(after[process] - before[process] for process in before if process in after)
    assert before
    assert ticks / TICKS / IDLE < MOST


def test_server_prints_the_address_that_works_outside(stack):
    assert f"Open http://127.0.0.1:{stack.port}/" in stack.logs("web")
