"""From a clone to a page on Postgres, again and again."""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import time

from django_compose_stack.tests.stack.checkout import environment, get, run, wait_for

ONE_OFF = ["run", "--rm", "--no-deps", "web", "python", "-c"]
IN_WEB = ["exec", "-T", "web", "python", "-c"]
ROUNDS = 10
STOP = 3  # seconds; it takes half a second, and ten where a signal is not heard


def test_first_page_ten_times_out_of_ten_on_fresh_volumes(checkout):
    for _ in range(ROUNDS):
        checkout.up()

        page = checkout.page()

        assert "No notes yet" in page
        assert "PostgreSQL 18" in page
        volumes = checkout.inspect("db", "{{range .Mounts}}{{.Name}} {{end}}").split()
        assert volumes == [f"{checkout.name}_db-data"]
        checkout.compose("down", "--volumes")
        assert checkout.leftovers() == []


def test_data_outlives_down_and_the_second_up_migrates_nothing(checkout):
    checkout.up()
    checkout.add_note("written before down")
    checkout.compose("down")
    checkout.up()

    assert "written before down" in checkout.page()
    assert "applying migrations" not in checkout.logs("web")


def test_stop_is_quick_and_orderly(stack):
    started = time.monotonic()
    stack.compose("stop")
    took = time.monotonic() - started

    assert took < STOP
    assert stack.inspect("db", "{{.State.ExitCode}}") == "0"
    assert "database system is shut down" in stack.logs("db")
    stack.up()


def test_checkouts_run_side_by_side(stack, checkout):
    checkout.up()
    checkout.add_note("in the second one")

    assert "in the second one" in checkout.page()
    assert "in the second one" not in stack.page()
    published = {stack.compose("port", "db", "5432").stdout, checkout.compose("port", "db", "5432").stdout}
    assert len(published) == 2


def test_make_up_takes_the_next_free_port_where_the_usual_one_is_taken(checkout):
    """Port 8000 is the stack's that runs first; the second says which port it has, and every command knows it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # Taken by something else: as good.
            holder.bind(("127.0.0.1", 8000))
            holder.listen()
        said = checkout.make("up", WEB_PORT=None)

    port = re.search(r"WEB_PORT=(\d+)", (checkout.path / ".env").read_text())[1]
    assert f"port 8000 is taken, so .env has WEB_PORT={port} from now on" in said.stderr
    assert f"Running at http://127.0.0.1:{port}\n" in said.stdout
    assert get(int(port))[0] == 200
    assert f"127.0.0.1:{port}->8000/tcp" in checkout.make("ps", WEB_PORT=None).stdout
    assert f"http://127.0.0.1:{port}" in checkout.logs("web")
    assert checkout.make("doctor", WEB_PORT=None).stdout == "No problem found.\n"


def test_ports_are_open_to_this_machine_only(stack):
    for service, port in (("web", "8000"), ("db", "5432")):
        assert stack.compose("port", service, port).stdout.startswith("127.0.0.1:")


def test_database_that_is_slow_to_come_up_is_waited_for(checkout):
    (checkout.path / "compose.override.yaml").write_text(
        "services: {db: {entrypoint: [sh, -c, 'sleep 4; exec docker-entrypoint.sh postgres']}}"
    )

    checkout.up()

    assert "PostgreSQL" in checkout.page()
    assert "Waiting for the database at db." in checkout.logs("web")


def test_migrate_may_be_the_first_command_on_a_fresh_volume(checkout):
    done = checkout.compose("run", "--rm", "web", "python", "manage.py", "migrate")

    assert "Applying pages.0001_initial... OK" in done.stdout


def test_changed_view_is_served_without_a_restart(stack):
    view = stack.path / "apps/pages/views.py"
    text = view.read_text()
    started = stack.inspect("web", "{{.State.StartedAt}}")

    view.write_text(text.replace('f"Django {', 'f"Changed Django {'))
    wait_for(lambda: "Changed Django" in stack.get()[1], "the changed view")
    view.write_text(text)
    wait_for(lambda: stack.get()[0] == 200 and "Changed Django" not in stack.get()[1], "the view as it was")

    assert stack.inspect("web", "{{.State.StartedAt}}") == started


def test_run_works_without_a_terminal(stack):
    done = stack.compose(*ONE_OFF, "import sys; print(sys.stdin.isatty(), sys.stdin.read())", input="from a pipe")

    assert done.stdout == "False from a pipe\n"


def test_run_works_in_a_terminal(stack):
    ours, theirs = pty.openpty()
    command = ["docker", "compose", *ONE_OFF, "import sys; print('terminal:', sys.stdin.isatty())"]
    process = subprocess.Popen(command, cwd=stack.path, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        assert process.wait(timeout=60) == 0
        assert "terminal: True" in os.read(ours, 10_000).decode()
    finally:
        process.kill()
        os.close(ours)


def test_changed_requirements_rebuild_under_watch(checkout):
    def image():
        return run("docker", "image", "inspect", "--format", "{{.Id}}", f"{checkout.name}-web").stdout

    def served_without_xdist():
        return checkout.get()[0] == 200 and checkout.compose(*IN_WEB, "import xdist", check=False).returncode == 1

    checkout.up()
    before = image()
    log = checkout.path.parent / "watch.log"
    command = ["docker", "compose", "up", "--watch"]
    with log.open("w") as output:
        watch = subprocess.Popen(
            command, cwd=checkout.path, env=environment(WEB_PORT=str(checkout.port)), stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "Watch enabled" in log.read_text(), "watch to begin")
        drop_requirement(checkout, "pytest-xdist")
        wait_for(lambda: image() != before, "a new image", timeout=120)
        wait_for(served_without_xdist, "the new container")
    finally:
        watch.send_signal(signal.SIGINT)
        watch.wait(timeout=60)


def test_image_older_than_the_requirements_catches_up(stack):
    requirements = stack.path / "requirements/dev.txt"
    text = requirements.read_text()
    assert stack.compose(*ONE_OFF, "import xdist").stderr == ""

    drop_requirement(stack, "pytest-xdist")
    done = stack.compose(*ONE_OFF, "import xdist", check=False)
    requirements.write_text(text)

    assert done.returncode == 1
    assert "requirements/dev.txt has changed since the image was built: installing." in done.stderr
    assert "No module named 'xdist'" in done.stderr


def drop_requirement(checkout, name):
    """Take a package from the development lock, which needs no network to install."""
    path = checkout.path / "requirements/dev.txt"
    kept = re.sub(rf"^{name}==.*(\n .*)*\n", "", path.read_text(), flags=re.M)
    assert kept != path.read_text()
    path.write_text(kept)
