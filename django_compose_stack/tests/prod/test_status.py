"""`make status MODE=production` on a site that runs."""

import json
import shutil


def test_status_of_a_rehearsal(plain):
    shutil.rmtree(plain.path / "backups", ignore_errors=True)  # of other tests
    plain.request("/")
    first = plain.make("status", "MODE=production", check=False)
    plain.make("backup", "MODE=production")
    plain.sql("SELECT pg_sleep(0.3)")

    second = plain.make("status", "MODE=production")

    assert first.returncode != 0
    assert "Problems     there is no backup: make backup MODE=production" in first.stdout
    lines = second.stdout.splitlines()
    assert lines[-1] == "The site is well."
    assert len(lines) <= 10
    assert "a rehearsal" in lines[0]
    assert "Services     db 1/1, web 2/2, nginx 1/1" in lines
    assert "Certificate  none: HTTP only" in lines
    slow = json.loads(plain.make("status", "MODE=production", "JSON=1").stdout)["slow_queries"]["slow"]
    assert "SELECT pg_sleep($1)" in [entry["query"] for entry in slow], second.stdout


def test_status_tells_what_does_not_run(plain):
    plain.compose("stop", "nginx")
    try:
        told = plain.make("status", "MODE=production", "JSON=1", check=False)
    finally:
        plain.compose("start", "nginx")

    assert told.returncode != 0
    found = json.loads(told.stdout)
    assert found["well"] is False
    assert "nginx: fewer run than are wanted" in found["problems"]
    assert found["services"]["nginx"] == {"running": 0, "wanted": 1}
    assert found["requests"] == {"known": False}
    assert found["database"]["version"].startswith("18")


def test_status_without_a_mode_names_it(plain):
    refused = plain.make("status", check=False)

    assert "make status MODE=production" in refused.stderr
