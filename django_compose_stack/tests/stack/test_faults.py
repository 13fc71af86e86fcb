"""What breaks from outside: killed processes, a taken port, an image that is not to be had."""

import os
import re
import shutil
import socket

import pytest

from django_compose_stack.tests.stack.checkout import wait_for


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
    problem = re.search(r"Problem: port (\d+) of 127\.0\.0\.1 is taken by (.*)\nWhy: .*\nFix: +(.*)", failed.stderr)
    assert problem[1] == str(checkout.port)
    if shutil.which("ss") or shutil.which("lsof"):
        assert problem[2].startswith(f"process {os.getpid()} (")
    cure = re.fullmatch(r"Stop it, or set (WEB_PORT=(\d+)) in \.env; then: make up", problem[3])
    (checkout.path / ".env").write_text(f"{cure[1]}\n")
    assert f"Running at http://127.0.0.1:{cure[2]}\n" in checkout.make("up", WEB_PORT=None).stdout


def test_port_that_a_container_has_is_named_with_its_holder(stack, checkout):
    failed = checkout.make("up", check=False, WEB_PORT=str(stack.port))

    assert failed.returncode == 2
    assert f"port {stack.port} of 127.0.0.1 is taken by container {stack.name}-web-1 of" in failed.stderr
    assert "WEB_PORT=" in failed.stderr


def test_image_that_cannot_be_pulled_is_named_with_the_way_without_docker(checkout):
    (checkout.path / "compose.override.yaml").write_text("services: {db: {image: stacktest.invalid/postgres:18}}")

    failed = checkout.make("up", check=False)

    assert failed.returncode == 2
    assert "the engine has no image stacktest.invalid/postgres:18 and cannot pull it: " in failed.stderr
    assert "make up MODE=native" in failed.stderr


def test_engine_that_does_not_answer_is_named_with_the_way_without_docker(checkout):
    failed = checkout.make("up", check=False, DOCKER_HOST="unix:///nowhere/docker.sock")

    assert failed.returncode == 2
    assert "Problem: no Docker engine answers: " in failed.stderr
    assert "make up MODE=native" in failed.stderr


@pytest.mark.parametrize("words", [["MODE=podman"]])
def test_wrong_mode_is_refused(checkout, words):
    failed = checkout.make("ps", *words, check=False, MODE=None)

    assert failed.returncode == 2
    assert "Expected docker, native or production" in failed.stderr
