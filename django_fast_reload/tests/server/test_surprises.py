"""What someone who knows Django's own server would not expect."""

import contextlib
import json
import signal
import socket
import sys
import threading
import time

import pytest

from .site import IS_INSTALLED, free_port

THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True, name='own').start()\n"
RUNSERVER = """
from django_fast_reload.management.commands.runserver import Command as Base
class Command(Base):
    default_port = "{port}"
"""


def request(site, text: str) -> bytes:
    """Send a request as it stands; return the whole answer."""
    with socket.create_connection(("127.0.0.1", site.port), 10) as sock:
        sock.sendall(text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return sock.makefile("rb").read()


# ---- what goes on in a process that was replaced


def test_work_of_an_executor_is_finished_after_a_save(site):
    done = site.root.parent / "done"
    site.edit(
        "blog/views.py",
        "def slow(request):",
        "from concurrent.futures import ThreadPoolExecutor\nPOOL = ThreadPoolExecutor(1)\ndef work():\n"
        f"    time.sleep(1)\n    open({str(done)!r}, 'w').close()\n"
        "def slow(request):\n    POOL.submit(work)\n    return HttpResponse('submitted')",
    )
    assert site.text("/slow") == "submitted"

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    site.until(done.exists, 5)


def test_a_replaced_process_ends_when_only_threads_of_its_own_are_left(fresh_site):
    site = fresh_site
    site.edit("blog/views.py", "import os", f"{THREAD}import os")
    site.start()
    before = set(site.family())
    pid = json.loads(site.text("/state"))["pid"]
    assert pid in before

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    site.until(lambda: pid not in site.family(), 5)


@pytest.mark.skipif(IS_INSTALLED, reason="the test shortens the time limit in its own copy of the package")
def test_a_replaced_process_that_is_stuck_is_ended_from_outside(fresh_site):
    site = fresh_site
    site.edit("django_fast_reload/ipc.py", "DRAIN_TIMEOUT = 30", "DRAIN_TIMEOUT = 1")
    site.edit(
        "blog/views.py",
        "def slow(request):",
        "def slow(request):\n    import ctypes\n    ctypes.PyDLL(None).sleep(1000)  # keeps the lock",
    )
    site.start()
    pid = json.loads(site.text("/state"))["pid"]
    threading.Thread(target=site.get, args=("/slow",), daemon=True).start()
    time.sleep(0.5)

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    site.until(lambda: pid not in site.family(), 20)


# ---- how it is started


def test_a_debugger_in_front_of_manage_py_gets_djangos_server(fresh_site):
    pytest.importorskip("debugpy", reason="debugpy is not installed")
    site = fresh_site
    address = f"127.0.0.1:{free_port()}"
    site.start(command=[sys.executable, "-m", "debugpy", "--listen", address, "manage.py"], wait=False)

    site.until(lambda: site.get() == (200, b"0000"), 40)

    assert "DEVSERVER_DEBUGPY" in site.log.read_text()
    assert "Traceback" not in site.log.read_text()


def test_nohup_is_honoured(fresh_site):
    site = fresh_site.start(command=["nohup", sys.executable, "manage.py"])

    site.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)

    assert site.get() == (200, b"0000")


def test_the_default_port_of_a_subclass(fresh_site):
    site = fresh_site
    for name in ("management/", "management/commands/"):
        site.write(f"blog/{name}__init__.py", "")
    site.write("blog/management/commands/runserver.py", RUNSERVER.format(port=site.port))
    site.edit("config/settings.py", '"django_fast_reload", ', '"blog", "django_fast_reload", ')
    site.edit("config/settings.py", '"blog", "shop"', '"shop"')
    site.address = "--no-color"  # in place of address and port

    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Django's own default port, taken by another program; it may be already.
        with contextlib.suppress(OSError):
            other.bind(("127.0.0.1", 8000))
            other.listen()
        site.start()

    assert site.get() == (200, b"0000")
    site.edit("blog/views.py", '"0000"', '"0001"')
    assert site.get() == (200, b"0001")
    assert f"http://127.0.0.1:{site.port}/" in site.log.read_text()


def test_an_obstacle_is_said_once(fresh_site):
    site = fresh_site
    site.edit("blog/models.py", "class Post", f"{THREAD}class Post")
    site.start()

    for number in range(3):
        site.edit("blog/models.py", "class Post", f"X{number} = 1\nclass Post")
        assert site.get() == (200, b"0000")

    assert site.log.read_text().count("no snapshot can be taken") == 1


# ---- what pages show, and to whom


def test_an_unknown_placeholder_of_the_editors_link_stays(site):
    site.edit("config/settings.py", "DEBUG = True", 'DEBUG = True\nDEVSERVER_EDITOR = "own://{place}{path}:{line}{"')
    assert site.get() == (200, b"0000")
    site.edit("blog/views.py", "import os", "import oss")

    status, page = site.get(accept="text/html")

    assert (status, b'href="own://{place}/' in page) == (500, True)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example"])
def test_no_source_is_shown_to_a_host_that_is_not_known(site, host):
    """A site that points its name at 127.0.0.1 is of one origin with the page, as far as the browser knows."""
    site.edit("blog/views.py", "import os", "import oss")
    assert site.get()[0] == 500

    for path in ("/", "/__devserver__/status"):
        answer = request(site, f"GET {path} HTTP/1.1\nHost: {host}\nAccept: text/html")
        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 500"))
        assert b"oss" not in answer
    with socket.create_connection(("127.0.0.1", site.port), 10) as sock:
        sock.sendall(f"GET /__devserver__/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        lines = iter(sock.makefile("rb").readline, b"")
        event = next(line for line in lines if line.startswith(b"data: "))
    assert b'"state": "broken"' in event
    assert b"oss" not in event


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "shop.localhost", "a.shop.example"])
def test_known_hosts_see_the_source(site, host):
    site.edit("config/settings.py", 'ALLOWED_HOSTS = ["*"]', 'ALLOWED_HOSTS = ["localhost", ".shop.example"]')
    assert site.get() == (200, b"0000")
    site.edit("blog/views.py", "import os", "import oss")
    assert site.get()[0] == 500

    assert b"import oss" in request(site, f"GET / HTTP/1.1\nHost: {host}\nAccept: text/html")


# ---- what start-up read, and what it left


@pytest.mark.parametrize("place", [".envs/.local/app.env", "../.env", ".env"])
def test_what_start_up_reads_counts_wherever_it_lies(fresh_site, place):
    site = fresh_site
    site.write(place, "one")
    site.edit("config/settings.py", 'WORD = "settings"', f"WORD = (BASE_DIR / {place!r}).read_text()")
    site.start()
    assert '"settings": "one"' in site.text("/state")

    site.write(place, "two")

    assert '"settings": "two"' in site.text("/state")


def test_compiled_modules_do_not_pile_up(fresh_site, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    site = fresh_site.start(TMPDIR=str(folder))
    [bytecode] = folder.iterdir()
    before = len(list(bytecode.iterdir()))

    for number in range(5):
        site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
        assert site.text() == f"{number + 1:04}"

    assert len(list(bytecode.iterdir())) == before


@pytest.mark.parametrize("name", ["blog/views.py", "config/settings.py"])
def test_what_an_import_makes_for_its_process_goes_with_it(fresh_site, name):
    site = fresh_site
    text = (site.root / name).read_text()
    site.write(name, f"import tempfile\nFOLDER = tempfile.TemporaryDirectory(dir='.')\n{text}")
    site.start()

    for number in range(3):
        site.edit(name, "import tempfile", f"import tempfile\nX{number} = 1")
        assert site.get() == (200, b"0000")

    site.until(lambda: len(list(site.root.glob("tmp*"))) == 1, 5)
    site.stop()
    assert list(site.root.glob("tmp*")) == []
