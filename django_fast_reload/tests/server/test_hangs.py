"""What a project, a client or the machine does must neither hang the server nor lose a request."""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"

FOREIGN_COMMAND = """
from wsgiref.simple_server import make_server
from django.core.management.commands.runserver import Command as DjangoCommand
class Command(DjangoCommand):
    def inner_run(self, *args, **options):
        self.check(display_num_errors=True)
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"own server"]
        make_server(self.addr, int(self.port), application).serve_forever()
"""


def connect(site, buffer: int = 0) -> socket.socket:
    """Open a connection to a server; buffer: bytes that it may hold unread, 0 for as usual."""
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", site.port))
    return sock


def pid_of(site) -> int:
    return json.loads(site.text("/state"))["pid"]


def test_a_worker_that_takes_no_connections_holds_up_nothing_else(fresh_site):
    """With --nothreading one slow request leaves all others in the socket to the worker, until that is full."""
    site = fresh_site.start("--nothreading")
    slow = threading.Thread(target=site.get, args=("/slow?for=25",), daemon=True)
    slow.start()
    clients = [connect(site) for _ in range(600)]
    for client in clients:
        client.sendall(REQUEST % b"/")

    assert site.get("/__devserver__/status", timeout=10)[0] == 200
    assert slow.is_alive()
    assert site.stop() == 0
    for client in clients:
        client.close()


def test_pages_that_never_read_their_events_hold_up_nothing(site):
    clients = [connect(site, buffer=1) for _ in range(40)]
    for client in clients:
        client.sendall(REQUEST % b"/__devserver__/events")
    for number in range(18):  # The kernel keeps 2.6 MB for each of them.
        site.edit("blog/views.py", "import os", f"raise ValueError('{number}' + '\N{SNOWMAN}' * 20_000)\nimport os")
        assert site.get(timeout=10)[0] == 500
        site.restore("blog/views.py")
        assert site.get(timeout=10) == (200, b"0000")
    for client in clients:
        client.close()


def test_a_default_timeout_of_the_project_is_not_the_servers(fresh_site):
    site = fresh_site
    site.edit("config/settings.py", "SECRET_KEY =", "import socket; socket.setdefaulttimeout(0.3)\nSECRET_KEY =")
    site.start()
    site.edit("blog/views.py", '"0000"', '"0001"')
    assert site.text() == "0001"
    pid = site.until(lambda: site.get("/state")[1])

    time.sleep(1.5)

    assert site.get("/state")[1] == pid
    assert "unexpectedly" not in site.log.read_text()
    assert site.status()["generation"] == 2


def test_the_end_of_a_worker_is_seen_although_its_child_lives_on(site):
    """The child holds the worker's socket open."""
    site.edit(
        "blog/views.py",
        "def slow(request):",
        "def slow(request):\n    if os.fork() == 0:\n        time.sleep(60)\n    os._exit(1)",
    )
    pid = pid_of(site)
    time.sleep(1.1)  # A server that ends sooner would not be started again.
    with connect(site) as client:
        client.sendall(REQUEST % b"/slow")
        site.until(lambda: pid not in site.family())

        assert site.get(timeout=10) == (200, b"0000")


def test_a_request_after_a_kill_waits_for_the_next_process(site):
    for _ in range(3):
        pid = pid_of(site)
        time.sleep(1.1)  # A server that ends sooner would not be started again.
        os.kill(pid, signal.SIGSTOP)  # so that it certainly reads none of these
        clients = [connect(site) for _ in range(5)]
        for client in clients:
            client.sendall(REQUEST % b"/")
        site.until(lambda: site.get("/__devserver__/status")[0] == 200)
        os.kill(pid, signal.SIGKILL)

        assert [client.makefile("rb").read()[-4:] for client in clients] == [b"0000"] * 5


@pytest.mark.parametrize("age", [0, -3600])
def test_a_lock_of_git_that_stays_holds_up_a_save_only_briefly(fresh_site, age):
    """`git commit` holds it for as long as its editor is open, and a clock may have been wrong when it was made."""
    site = fresh_site
    (site.root / ".git").mkdir()
    site.start()
    (site.root / ".git/index.lock").touch()
    os.utime(site.root / ".git/index.lock", (time.time() - age,) * 2)

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.get(timeout=5) == (200, b"0001")


def processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("path", ["", "/slow?for=3", "/__devserver__/events"])
def test_few_descriptors_and_many_connections(fresh_site, path):
    site = fresh_site
    site.start(command=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", sys.executable, "manage.py"])
    clients = [connect(site) for _ in range(100)]
    for client in clients:
        if path:
            client.sendall(REQUEST % path.encode())
    before = processor_time(site.process.pid)
    time.sleep(1)
    assert processor_time(site.process.pid) - before < 0.5  # It waits instead of trying all the time.

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.get(timeout=60) == (200, b"0001")
    assert site.is_settled()
    assert "Traceback" not in site.log.read_text()
    for client in clients:
        client.close()


def test_an_error_larger_than_a_message_is_shown(site):
    site.edit("blog/views.py", "import os", "raise ValueError('\N{SNOWMAN}' * 100_000)\nimport os")

    status, text = site.get()

    assert (status, text.decode()[:30]) == (500, "ValueError: " + "\N{SNOWMAN}" * 18)


def test_a_runserver_of_another_app_is_used_instead(fresh_site):
    """As daphne's, which its documentation puts first; take_over can't know."""
    site = fresh_site
    for name in ("", "management/", "management/commands/"):
        site.write(f"chan/{name}__init__.py", "")
    site.write("chan/management/commands/runserver.py", FOREIGN_COMMAND)
    site.edit("config/settings.py", '"django_fast_reload", ', '"chan", "django_fast_reload", ')

    site.start(wait=False)

    site.until(lambda: site.get() == (200, b"own server"), 30)
    assert "There is no fast reload: chan brings a server of its own." in site.log.read_text()
    assert site.log.read_text().count("There is no fast reload") == 2  # the line, then the system check
    assert "(fast_reload.W001)" in site.log.read_text()


def test_an_app_that_is_not_installed_leaves_djangos_server(fresh_site):
    site = fresh_site
    site.edit("config/settings.py", '"django_fast_reload", ', "")

    site.start(wait=False)

    site.until(lambda: site.get() == (200, b"0000"), 30)
    assert "There is no fast reload: `runserver` comes from django.contrib.staticfiles" in site.log.read_text()


@pytest.mark.parametrize("before", ["    from django.core", "    from django_fast_reload"])
def test_greenlets_in_place_of_threads(fresh_site, before):
    pytest.importorskip("gevent", reason="gevent is not installed")
    site = fresh_site
    site.edit("manage.py", before, f"    from gevent import monkey; monkey.patch_all()\n{before}")
    site.start()

    assert site.get("/slow?for=0.2", timeout=10) == (200, b"0000")
    site.edit("blog/views.py", '"0000"', '"0001"')
    assert site.get("/slow?for=0.2", timeout=10) == (200, b"0001")
