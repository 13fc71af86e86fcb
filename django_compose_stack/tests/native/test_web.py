"""`make up` in native mode and what belongs to it."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from .conftest import TIMEOUT, free_port, processes
from .test_postgres import KEPT, end, kill, stand_in
from .test_venv import wait_until


def page(port, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def web_processes(checkout):
    return [pid for pid, command in processes(checkout.path).items() if "runserver" in command]


@pytest.fixture
def running(checkout):
    checkout("up")
    return checkout


def test_up_answers_and_down_leaves_nothing_but_the_data(checkout):
    assert checkout("up").stdout == f"Running at http://127.0.0.1:{checkout.port}\n"

    status, text = page(checkout.port)
    assert (status, "PostgreSQL 18" in text) == (200, True)
    assert page(checkout.port, "/readyz") == (200, '{"database": "ok", "migrations": "ok"}')
    checkout.query(KEPT)
    checkout("down")

    assert processes(checkout.path) == {}
    assert checkout.query("select v from kept") == "42"


def test_second_up_says_so_and_starts_nothing(running):
    before = running.web_pid()

    assert running("up").stdout == f"Already running at http://127.0.0.1:{running.port}\n"
    assert {os.getpgid(pid) for pid in web_processes(running)} == {before}


def test_ps_and_url_tell_what_runs_and_where(running):
    database = running.read(".postgres/port")
    address = f"http://127.0.0.1:{running.port}"

    assert running("url").stdout == f"{address}\n"
    assert running("ps").stdout == (
        f"SERVICE   STATE     ADDRESS\ndb        running   127.0.0.1:{database}\nweb       running   {address}\n"
    )
    running("stop", "web")
    assert running("ps").stdout.splitlines()[1:] == [
        f"db        running   127.0.0.1:{database}",
        "web       stopped   ",
    ]
    running("stop")
    assert processes(running.path) == {}


def test_new_port_moves_the_server_and_every_interface_is_reached_by_loopback(running):
    other = free_port()

    moved = running("up", env={"WEB_PORT": str(other), "WEB_HOST": "0.0.0.0"}).stdout

    assert moved == f"Running at http://127.0.0.1:{other}\n"
    assert page(other, "/healthz")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        page(running.port)


def test_restart_begins_anew_with_either_service(running):
    before = running.web_pid(), running.server_pid()

    running("restart", "web")
    after = running.web_pid(), running.server_pid()
    running("restart")

    assert after[0] != before[0] and after[1] == before[1]
    assert running.web_pid() != after[0] and running.server_pid() != after[1]
    assert page(running.port)[0] == 200


def test_logs_show_both_and_follow(running):
    page(running.port, "/first")
    assert "/first" in running("logs").stdout
    assert "database system is ready" in running("logs", "db").stdout
    assert "database system is ready" not in running("logs", "web").stdout

    follower = running.popen("logs", "-f", "web")
    page(running.port, "/second")
    for line in follower.stdout:
        if "/second" in line:
            break
    end(follower)
    follower.communicate()


def test_logs_before_the_first_start(used, checkout):
    message = "stack: there is no log yet.\nFix: Start the servers first: make up.\n"

    assert checkout("logs", status=1).stderr == message


def test_taken_port_names_its_holder_and_the_variable(used):
    script = f"import socket; s = socket.create_server(('127.0.0.1', {used.port})); print(1, flush=True); s.accept()"
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    holder.stdout.readline()

    message = used("up", status=1).stderr

    end(holder)
    holder.stdout.close()
    assert f"port {used.port} of 127.0.0.1 is taken by " in message
    assert "Fix: Stop it, or set WEB_PORT=" in message
    assert f"process {holder.pid} (" in message or "a process of another user" in message
    assert web_processes(used) == []


@pytest.mark.parametrize("host", ["nonsense.invalid", "192.0.2.1"])
def test_address_of_no_interface_is_refused(used, host):
    message = used("up", status=1, env={"WEB_HOST": host}).stderr

    assert message.startswith(f"stack: cannot listen on WEB_HOST '{host}', WEB_PORT {used.port}: ")
    assert message.endswith("Fix: Set them in .env as .env.example describes; the defaults are 127.0.0.1 and 8000.\n")


def test_broken_project_shows_the_end_of_its_log_and_heals(checkout):
    urls = checkout.path / "config/urls.py"
    text = urls.read_text()
    urls.write_text("raise RuntimeError('on purpose')\n")

    message = checkout("up", status=1).stderr
    urls.write_text(text)
    checkout("up")

    assert "stack: the web server " in message
    assert "RuntimeError: on purpose" in message
    assert "Fix: Correct the error above, then: make up. The whole log: make logs." in message
    assert page(checkout.port)[0] == 200


def test_server_that_ends_shows_the_end_of_its_log(checkout):
    (checkout.path / "manage.py").write_text("raise SystemExit('over on purpose')\n")

    message = checkout("up", status=1).stderr

    assert "stack: the web server has ended. Last log lines:\nover on purpose\nFix: " in message
    assert web_processes(checkout) == []


def test_killed_first_process_of_the_server_leaves_no_orphan(running):
    kill(running.web_pid())

    running("down")

    assert processes(running.path) == {}


def test_up_after_kill_9_of_the_whole_server(running):
    for pid in web_processes(running):
        # Without the first process the others end by themselves.
        with contextlib.suppress(ProcessLookupError):
            kill(pid)

    assert running("up").stdout == f"Running at http://127.0.0.1:{running.port}\n"
    assert page(running.port)[0] == 200


def test_up_after_kill_9_of_the_database_needs_no_restart_of_the_page(running):
    kill(running.server_pid())

    running("up")

    assert page(running.port)[0] == 200


def test_foreign_process_with_the_servers_old_id_lives(running):
    running("down")
    foreign = stand_in()
    (running.path / ".native/web").write_text(f"{foreign.pid} 127.0.0.1:{running.port}\n")

    assert "web       stopped" in running("ps").stdout
    running("down")
    running("up")
    running("down")

    assert foreign.poll() is None
    end(foreign)


@pytest.mark.parametrize("delay", [0.1, 0.3, 0.6])
def test_up_killed_at_any_point_is_repeated(checkout, delay):
    checkout("true")
    checkout("stop")
    first = checkout.popen("up", start_new_session=True)
    time.sleep(delay)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    checkout("up")

    assert page(checkout.port)[0] == 200
    assert len({os.getpgid(pid) for pid in web_processes(checkout)}) == 1
    checkout("down")
    assert processes(checkout.path) == {}


def test_ctrl_c_during_up_prints_no_traceback(checkout):
    first = checkout.popen("up", start_new_session=True)
    wait_until(lambda: (checkout.path / ".postgres").exists())
    os.killpg(first.pid, signal.SIGINT)
    _, errors = first.communicate()

    assert "Traceback" not in errors
    assert checkout("up").stdout.endswith(f"at http://127.0.0.1:{checkout.port}\n")


def test_two_ups_at_once_start_one_server(checkout):
    checkout("true")
    both = [checkout.popen("up") for _ in range(2)]

    outputs = sorted(process.communicate(timeout=TIMEOUT)[0] for process in both)

    address = f"at http://127.0.0.1:{checkout.port}\n"
    assert outputs == [f"Already running {address}", f"Running {address}"]
    assert len({os.getpgid(pid) for pid in web_processes(checkout)}) == 1


def test_two_checkouts_run_side_by_side(make_checkout):
    one, two = make_checkout(), make_checkout()
    one("up")
    two("up")
    one.query(KEPT)

    assert two.query("select count(*) from pg_tables where tablename = 'kept'") == "0"
    assert (page(one.port)[0], page(two.port)[0]) == (200, 200)
    one("down")
    assert page(two.port)[0] == 200


def test_three_checkouts_that_start_at_once_get_three_ports(make_checkout):
    checkouts = [make_checkout() for _ in range(3)]
    for checkout in checkouts:
        del checkout.environment["WEB_PORT"]
        checkout("true")

    starting = [checkout.popen("up") for checkout in checkouts]
    urls = [re.search(r"Running at (\S+)\n", process.communicate(timeout=TIMEOUT)[0])[1] for process in starting]

    assert len(set(urls)) == 3
    for url, checkout in zip(urls, checkouts, strict=True):
        assert page(int(url.rpartition(":")[2]))[0] == 200
        assert checkout("up").stdout == f"Already running at {url}\n"


def test_output_of_up_ends_although_servers_go_on(used):
    # `make up | cat` would wait for ever if a server kept the pipe.
    assert used("up").stdout
    with socket.create_connection(("127.0.0.1", used.port), timeout=TIMEOUT):
        pass
    used("stop", "web")
