"""Processes: none is left over, none is copied that can't be, and Django's own ways still work."""

import gc
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from .site import FILES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything(fresh_site, number):
    site = fresh_site.start()
    site.edit("blog/views.py", '"0000"', '"0001"')
    assert site.text() == "0001"

    assert site.stop(number) == 0
    assert "Traceback" not in site.log.read_text()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.4, 0.8])
def test_a_signal_at_any_stage_of_the_start(fresh_site, delay):
    site = fresh_site.start(wait=False)
    site.until(lambda: site.get("/__devserver__/status")[0] == 200)
    time.sleep(delay)

    assert site.stop() == 0


@pytest.mark.parametrize("where", ["slow request", "endless import", "error"])
def test_a_signal_when_something_hangs(fresh_site, where):
    site = fresh_site.start()
    if where == "slow request":
        site.begin_slow(20)
    elif where == "endless import":
        sign = site.root.with_name("hangs")
        site.edit("blog/views.py", "def index", f"open({str(sign)!r}, 'w').close()\nwhile True: pass\ndef index")
        site.until(sign.exists)
    else:
        site.edit("blog/views.py", "def index", "VERSIO\ndef index")
        site.until(lambda: site.status()["state"] == "broken")
    started = time.monotonic()

    assert site.stop() == 0
    assert time.monotonic() - started < 2


def test_a_killed_supervisor_leaves_nothing(fresh_site, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    site = fresh_site.start(TMPDIR=str(folder))
    assert list(folder.iterdir())

    assert site.stop(signal.SIGKILL) == -signal.SIGKILL
    site.until(lambda: not list(folder.iterdir()))


def test_exit_handlers_run_once_at_the_end(fresh_site):
    """Not at each reload: what they remove still belongs to the snapshots."""
    site = fresh_site
    site.edit("config/__init__.py", "", "import atexit, tempfile\nFOLDER = tempfile.TemporaryDirectory(dir='.')\n")
    site.start()
    site.edit("blog/views.py", '"0000"', '"0001"')
    assert site.text() == "0001"
    assert len(list(site.root.glob("tmp*"))) == 1

    site.stop()

    assert list(site.root.glob("tmp*")) == []


def test_a_thread_started_by_a_module_is_never_copied(fresh_site):
    site = fresh_site
    site.edit("blog/apps.py", 'name = "blog"', 'name = "blog"\n    def ready(self):\n        from . import worker')
    site.write(
        "blog/worker.py",
        "import threading, time\nCOUNT = []\ndef work():\n    while True:\n        COUNT.append(1)\n"
        "        time.sleep(0.01)\nthreading.Thread(target=work, daemon=True, name='work').start()\n",
    )
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(f'{VERSION} {alive()}')")
    site.edit(
        "blog/views.py",
        "def index",
        "def alive():\n    from .worker import COUNT\n    seen = len(COUNT)\n"
        "    time.sleep(0.1)\n    return len(COUNT) > seen\ndef index",
    )
    site.start()
    assert site.text() == "0000 True"

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001 True"
    assert "a module started a thread (work)" in site.log.read_text()
    assert "blog/worker.py" not in site.status()["snapshots"][-1]


@pytest.mark.parametrize(
    "code",
    [
        "import socket\nPAIR = socket.socketpair()",
        "import sqlite3\nBASE = sqlite3.connect('other.sqlite3')\nBASE.execute('create table if not exists x (y)')",
        "import subprocess\nPROCESS = subprocess.Popen(['sleep', '60'], stdin=subprocess.PIPE)",
    ],
)
def test_a_connection_opened_by_a_module_is_never_copied(fresh_site, code):
    site = fresh_site
    site.write("config/__init__.py", code)
    site.start()

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    assert site.status()["snapshots"] == ["manage.py", "config/__init__.py"][: len(site.status()["snapshots"])]
    assert "a module opened a connection" in site.log.read_text()


def test_what_the_server_says_is_in_a_file_at_once(fresh_site):
    """Python keeps what it prints to a file or a pipe; PYTHONUNBUFFERED, which an image sets, hides that."""
    site = fresh_site.start(PYTHONUNBUFFERED="")

    assert "Quit the server with CONTROL-C." in site.log.read_text()


def test_nothing_leaks(site):
    """DEVSERVER_EDITS=1000 makes it the long test."""
    count = int(os.environ.get("DEVSERVER_EDITS", "40"))
    supervisor = Path(f"/proc/{site.process.pid}")

    def census() -> tuple[int, int, int]:
        """Return processes, descriptors and resident kB of the supervisor, once old processes have ended."""
        site.until(lambda: len(site.family()) <= len(site.status()["snapshots"]) * 2 + 2)
        resident = re.search(r"VmRSS:\s+(\d+)", (supervisor / "status").read_text())[1]
        return len(site.family()), len(list((supervisor / "fd").iterdir())), int(resident)

    def edit(numbers) -> None:
        for number in numbers:
            site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
            assert site.text() == f"{number + 1:04}"

    edit(range(count // 2))
    processes, descriptors, resident = census()
    edit(range(count // 2, count))

    after = census()
    assert after[0] <= processes + 2
    assert after[1] <= descriptors + 2
    assert after[2] <= resident + 1024


def test_it_works_with_one_line_in_the_settings(fresh_site):
    """Without take_over in manage.py, as in someone else's project."""
    site = fresh_site
    site.write("manage.py", re.sub(r".*take_over.*\n", "", FILES["manage.py"]))
    site.start()

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    assert site.status()["generation"] == 2


def test_python_m_django(fresh_site):
    site = fresh_site
    site.start(
        command=[sys.executable, "-X", "utf8", "-m", "django"],
        DJANGO_SETTINGS_MODULE="config.settings",
        PYTHONPATH=str(site.root),
    )
    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    assert site.status()["generation"] == 2


def test_stock_on_request(fresh_site):
    site = fresh_site.start(wait=False, DEVSERVER="stock")
    site.until(lambda: site.get("/") == (200, b"0000"), 20)

    assert "Watching for file changes with StatReloader" in site.log.read_text()


def test_noreload_is_djangos(fresh_site):
    site = fresh_site.start("--noreload", wait=False)
    site.until(lambda: site.get("/") == (200, b"0000"), 20)

    assert len(site.family()) == 1


def test_debug_off_is_djangos(fresh_site):
    site = fresh_site
    site.edit("config/settings.py", "DEBUG = True", "DEBUG = False")
    site.start(wait=False)
    site.until(lambda: site.get("/") == (200, b"0000"), 20)

    assert len(site.family()) == 2
    assert site.get("/__devserver__/status")[0] == 404
    assert "DEBUG is off, so there is no fast reload." in site.log.read_text()


def test_static_files_are_served_unless_told_otherwise(fresh_site):
    site = fresh_site.start()
    assert site.get("/static/site.css") == (200, FILES["static/site.css"].encode())
    site.stop()

    site.start("--nostatic")
    assert site.get("/static/site.css")[0] == 404


def test_nothreading_reloads_too(fresh_site):
    site = fresh_site.start("--nothreading")
    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    assert site.status()["generation"] == 2


def test_other_command_lines_are_left_to_django(fresh_site):
    run = [sys.executable, "manage.py"]
    for arguments, words in ((["runserver", "--help"], "--nostatic"), (["runserver", "a:b:c"], "is not a valid port")):
        done = subprocess.run([*run, *arguments], cwd=fresh_site.root, capture_output=True, text=True, timeout=30)

        assert words in done.stdout + done.stderr


def test_a_taken_port_is_said(fresh_site):
    first = fresh_site.start()
    second = first.twin()
    second.port = first.port

    second.start(wait=False)

    assert second.process.wait(20) == 1
    assert second.log.read_text() == "Error: That port is already in use.\n"


def test_a_subclass_prepares_the_database_once(fresh_site):
    site = fresh_site
    site.write(
        "blog/management/commands/runserver.py",
        """\
from django_fast_reload.management.commands.runserver import Command as Base
class Command(Base):
    def check_migrations(self):
        with open("calls", "a") as file:
            file.write("x")
""",
    )
    site.write("blog/management/__init__.py", "")
    site.write("blog/management/commands/__init__.py", "")
    site.edit("config/settings.py", '"django_fast_reload", ', '"blog", "django_fast_reload", ')
    site.edit("config/settings.py", '"blog", "shop"', '"shop"')
    site.start()

    assert site.text() == "0000"
    assert (site.root / "calls").read_text() == "x"


class Terminal:
    """A server on a terminal of its own."""

    def __init__(self, site):
        self.ours, theirs = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "RUN_MAIN"}
        site.process = subprocess.Popen(
            [site.python, "manage.py", "runserver", f"127.0.0.1:{site.port}"],
            cwd=site.root, env={**environment, "TERM": "dumb"}, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = b""

    def read_until(self, text: bytes) -> None:
        end = time.monotonic() + 20
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            self.shown += os.read(self.ours, 4096)

    def type(self, text: bytes) -> None:
        os.write(self.ours, text)


@pytest.fixture
def terminal():
    terminals = []
    yield lambda site: terminals.append(Terminal(site)) or terminals[0]
    os.close(terminals[0].ours)


@pytest.mark.parametrize(
    ("kind", "path"), [("fresh_site", "/pdb"), ("fresh_asgi_site", "/pdb"), ("fresh_asgi_site", "/pdb-loop")]
)
def test_a_save_does_not_end_a_debugger(request, terminal, kind, path):
    """breakpoint() has the terminal; the new code answers meanwhile, and the session goes on."""
    site = request.getfixturevalue(kind)
    terminal = terminal(site)
    site.until(lambda: site.get("/__devserver__/status")[0] == 200 and site.is_settled(), 30)
    answers = []
    client = threading.Thread(target=lambda: answers.append(site.get(path)))
    client.start()
    terminal.read_until(b"(Pdb)")

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    terminal.read_until(b"stays open on the old code")
    terminal.type(b"p 'still' + 'here'\n")
    terminal.read_until(b"'stillhere'")
    terminal.type(b"c\n")
    client.join(10)
    assert answers == [(200, b"0000")]


def test_a_save_does_not_end_a_debugger_during_the_load(fresh_site, terminal):
    site = fresh_site
    site.edit("blog/models.py", "class Post", "breakpoint()\nclass Post")
    terminal = terminal(site)
    terminal.read_until(b"(Pdb)")

    site.restore("blog/models.py")

    terminal.read_until(b"waits for the debugger")
    terminal.type(b"p 'still' + 'here'\n")
    terminal.read_until(b"'stillhere'")
    terminal.type(b"c\n")
    assert site.text() == "0000"


def test_a_root_behind_a_symlink(fresh_site, tmp_path):
    site = fresh_site
    (tmp_path / "link").symlink_to(site.root)
    site.start(command=[sys.executable, str(tmp_path / "link/manage.py")])
    assert site.text("/page") == "<p>0000 one</p>"

    for name, old, new in (("blog/views.py", "0000", "0001"), ("templates/page.html", "one", "two")):
        path = tmp_path / "link" / name
        path.write_text(path.read_text().replace(old, new))

    assert site.text("/page") == "<p>0001 two</p>"


def test_ipv6(fresh_site):
    site = fresh_site
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    site.address = f"[::1]:{site.port}"
    site.start(wait=False)

    def answer():
        try:
            with urllib.request.urlopen(f"http://[::1]:{site.port}/", timeout=10) as response:
                return response.read()
        except OSError:
            return b""

    assert site.until(answer, 20) == b"0000"


@pytest.mark.parametrize(("own", "expected"), [("", gc.get_threshold()[0]), ("gc.set_threshold(77)\n", 77)])
def test_garbage_is_collected_as_usual_once_it_serves(fresh_site, own, expected):
    """While loading it is collected rarely; a project that sets thresholds itself keeps them."""
    site = fresh_site
    site.edit("blog/views.py", 'VERSION = "0000"\n', f"import gc\n{own}")
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(str(gc.get_threshold()[0]))")

    site.start()

    assert site.text() == str(expected)
