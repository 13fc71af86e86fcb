"""What breaks from outside: killed processes, a taken port, an image that is not to be had."""

import os
import re
import shutil
import socket

import pytest

from tests.stack.checkout import wait_for


def test_killed_database_comes_back_with_its_data(checkout):
    checkout.up()
    checkout.add_note("written before the kill")

    checkout.compose("exec", "-T", "db", "sh", "-c", 'kill -9 "$(head -n 1 "$PGDATA/postmaster.pid")"')
    wait_for(lambda: checkout.inspect("db", "{{.RestartCount}}") == "1", "the engine to start it again")
    wait_for(lambda: checkout.get()[0] == 200, "the page")

    assert "written before the kill" in checkout.page()
    assert "database system was not properly shut down; automatic recovery in progress" in checkout.logs("db")


def test_killed_web_comes_back_with_up(stack):
    # Of init's own children, and so of the whole container; init itself cannot be killed from inside.
    stack.compose("exec", "-T", "web", "sh", "-c", "kill -9 -1", check=False)
    wait_for(lambda: stack.inspect("web", "{{.State.Status}}") == "exited", "the container to end")

    assert stack.inspect("web", "{{.State.ExitCode}}") == "137"
    stack.up()
    assert "PostgreSQL" in stack.page()


def test_page_recovers_from_a_database_that_was_away(stack):
    stack.compose("stop", "db")
    assert stack.get()[0] == 500
    assert stack.get("/healthz")[0] == 200
    assert stack.get("/readyz")[0] == 503

    stack.compose("start", "db")
    wait_for(lambda: stack.get("/readyz")[0] == 200, "the database")

    assert "PostgreSQL" in stack.page()


def test_port_that_a_process_has_is_named_with_its_holder_and_a_cure(checkout):
    with socket.create_server(("127.0.0.1", checkout.port)):
        failed = checkout.make("up", check=False)

    assert failed.returncode == 2
    problem = rf"Problem: port {checkout.port} of 127\.0\.0\.1 is taken by (.*)\n"
    holder, cure = re.search(rf"^{problem}.*\nCure: +(WEB_PORT=\d+) in \.env", failed.stdout, re.M).groups()
    if shutil.which("ss") or shutil.which("lsof"):
        assert holder.startswith(f"process {os.getpid()} (")
    (checkout.path / ".env").write_text(f"{cure}\n")
    up = checkout.make("up", WEB_PORT=None)
    assert f"Running at http://127.0.0.1:{cure.removeprefix('WEB_PORT=')}" in up.stdout


def test_image_that_cannot_be_pulled_is_named_with_the_way_without_docker(checkout):
    (checkout.path / "compose.override.yaml").write_text("services: {db: {image: stacktest.invalid/postgres:18}}")

    failed = checkout.make("up", check=False)

    assert failed.returncode == 2
    assert "Problem: the engine has no image stacktest.invalid/postgres:18 and cannot pull it: " in failed.stdout
    assert "or run without Docker: make up MODE=native" in failed.stdout


@pytest.mark.parametrize("words", [["MODE=podman"], ["MODE="]])
def test_wrong_mode_is_refused(checkout, words):
    failed = checkout.make("ps", *words, check=False, MODE=None)

    assert failed.returncode == 2
    assert "Expected docker or native" in failed.stderr
