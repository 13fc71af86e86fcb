"""Runs that are cancelled, crash or are killed, keys of the terminal, and what is left behind."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from .watched_site import POSTGRES, WatchedSite

SLOW = """
import os, pathlib, time, pytest
here = pathlib.Path(__file__).parent
@pytest.fixture
def cleaned():
    yield
    (here / "cleaned").touch()
@pytest.mark.django_db
def test_slow(cleaned):
    (here / "began").write_text(str(os.getpid()))
    time.sleep(30)
"""


@pytest.fixture
def site(tmp_path):
    site = WatchedSite(tmp_path / "my site")
    yield site
    if site.process:
        site.stop()


def until(condition, seconds: float = 20):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def databases(pattern: str) -> list[str]:
    """Return the databases of the server for tests whose names are like this."""
    import psycopg

    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern])
        return sorted(name for (name,) in found)


@pytest.mark.skipif("POSTGRES_HOST" not in os.environ, reason="there is no Postgres. Run: make test")
def test_a_save_cancels_a_run_and_nothing_is_left(site):
    site.write("config/settings.py", site.files["config/settings.py"] + POSTGRES)
    site.start()
    site.write("shop/test_slow.py", SLOW)
    pid = until(lambda: (site.root / "shop/began").exists() and (site.root / "shop/began").read_text())
    began = site.status()["generation"]

    site.write("shop/test_slow.py", SLOW.replace("sleep(30)", "sleep(0)"))
    status = site.wait(began)

    assert status["tests"]["counts"] == {"passed": 1}, site.log.read_text()
    assert (site.root / "shop/cleaned").exists()
    until(lambda: f"test_of_a_site_watch_{pid}" not in databases("test_of_a_site_watch%"))
    assert "KeyboardInterrupt" not in site.text()
    assert len(databases("test_of_a_site_template%")) == 1
    site.stop()
    until(lambda: databases("test_of_a_site_watch%") == [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_and_every_process(site, number):
    site.start()
    site.write("shop/test_slow.py", SLOW)
    until((site.root / "shop/began").exists)

    began = time.monotonic()
    status = site.stop(number)

    assert status == 0, site.text()
    assert time.monotonic() - began < 3
    assert (site.root / "shop/cleaned").exists()


def test_the_end_of_the_supervisor_ends_all(site):
    site.start()

    site.process.kill()
    site.process.wait()

    until(lambda: site.family() == [])


def test_a_test_that_ends_its_process(site):
    site.start()

    crashed = site.save("shop/test_slow.py", "import os\ndef test_exit(): os._exit(3)\n")
    fixed = site.save("shop/test_slow.py", "def test_exit(): pass\n")

    assert crashed["state"] == "broken"
    assert "ended by itself" in crashed["failure"]["title"]
    assert fixed["tests"]["counts"] == {"passed": 1}


def test_a_run_whose_process_is_killed(site):
    site.start()
    site.write("shop/test_slow.py", SLOW)
    began = site.root / "shop/began"
    pid = until(lambda: began.exists() and began.read_text())
    generation = site.status()["generation"]

    os.kill(int(pid), signal.SIGKILL)
    until(lambda: site.status()["state"] == "broken")
    site.write("shop/test_slow.py", SLOW.replace("sleep(30)", "sleep(0)"))

    assert site.wait(generation)["tests"]["counts"]["passed"] == 1, site.log.read_text()


def test_two_watches_at_once(site):
    other = site.twin()
    site.start()
    other.start()
    try:
        status = site.status(), other.status()
        site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(VERSION + '1')")
        after = [each.wait(before["generation"]) for each, before in zip((site, other), status, strict=True)]
    finally:
        other.stop()

    assert [each["tests"]["counts"] for each in after] == [{"failed": 1}] * 2


def test_a_module_that_starts_a_thread_is_said_once(site):
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    site.write("blog/words.py", thread + site.files["blog/words.py"])
    site.start()

    counts = [site.save("blog/tests.py", text)["tests"]["counts"] for text in (
        site.files["blog/tests.py"].replace('== "words"', '!= "words"'), site.files["blog/tests.py"])]  # fmt: skip

    assert counts == [{"failed": 1}, {"passed": 1}]
    assert site.text().count("no snapshot can be taken") == 1


class Terminal:
    """A watch in a terminal of its own."""

    def __init__(self, site):
        self.site = site
        self.master, slave = pty.openpty()
        command = [sys.executable, "-m", "django_fast_reload", "watch"]
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        self.text = b""
        site.process = subprocess.Popen(
            command, cwd=site.root, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        os.set_blocking(self.master, False)

    def until(self, text: str, seconds: float = 60) -> str:
        """Return what was printed up to `text`."""

        def seen():
            try:
                self.text += os.read(self.master, 65536)
            except BlockingIOError:
                pass
            return text.encode() in self.text

        try:
            until(seen, seconds)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in {self.text.decode()!r}") from None
        found, _, self.text = self.text.partition(text.encode())
        return found.decode()

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())


def test_keys(site):
    terminal = Terminal(site)
    terminal.until("6 passed")
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(VERSION + '1')")
    terminal.until("1 failed in")

    terminal.type("a")
    terminal.until("1 failed, 5 passed in")
    terminal.type("f")
    terminal.until("1 failed in")
    terminal.type("\n")
    terminal.until("1 failed in")
    terminal.type("/shop or plaim\x7fn\n")
    terminal.until("3 passed in")


def test_breakpoint_has_the_terminal(site):
    terminal = Terminal(site)
    terminal.until("6 passed")
    site.edit("blog/tests.py", 'assert words.WORD == "words"', 'breakpoint(); assert words.WORD == "words"')

    terminal.until("(Pdb) ")
    terminal.type("p 'af' * 2\n")
    terminal.until("'afaf'")
    terminal.type("c\n")

    terminal.until("1 passed in")


def test_keys_are_the_debuggers_once_it_asks_for_them(site):
    """However late the supervisor hears of it: it would take keys that are typed at the first prompt."""
    terminal = Terminal(site)
    terminal.until("6 passed")
    stop = f"import os; os.kill({site.process.pid}, 19); breakpoint(); "
    site.edit("blog/tests.py", 'assert words.WORD == "words"', f'{stop}assert words.WORD == "words"')

    with pytest.raises(AssertionError, match="is not in"):
        terminal.until("(Pdb) ", 2)
    os.kill(site.process.pid, signal.SIGCONT)
    terminal.until("(Pdb) ")
    terminal.type("c\n")

    terminal.until("1 passed in")


@pytest.mark.parametrize("typed", ["", "n\n"])
def test_the_end_does_not_wait_for_a_debugger(site, typed):
    terminal = Terminal(site)
    terminal.until("6 passed")
    text = 'breakpoint()\n    assert words.WORD == "words"\n    assert True'
    site.edit("blog/tests.py", 'assert words.WORD == "words"', text)
    terminal.until("(Pdb) ")
    if typed:
        terminal.type(typed)
        terminal.until("(Pdb) ")

    began = time.monotonic()
    status = site.stop()

    assert (status, time.monotonic() - began < 3) == (0, True)


def test_a_run_that_was_debugged_can_be_cancelled(site):
    terminal = Terminal(site)
    terminal.until("6 passed")
    site.write("shop/test_slow.py", SLOW.replace(began := '    (here / "began")', f"    breakpoint()\n{began}"))
    terminal.until("(Pdb) ")
    terminal.type("c\n")
    until((site.root / "shop/began").exists)

    began = time.monotonic()
    status = site.stop()

    assert (status, time.monotonic() - began < 3) == (0, True)
    assert (site.root / "shop/cleaned").exists()


def test_doctests_are_no_debugger(site):
    site.start("--doctest-modules", "shop")
    site.write(
        "shop/words.py",
        f'''"""
>>> open({str(site.root / "shop/began")!r}, "w").close()
>>> import time; time.sleep(30)
"""''',
    )
    until((site.root / "shop/began").exists)

    status = site.save("shop/words.py", '"""\n>>> 1 + 1\n2\n"""')

    assert "passed" in status["tests"]["counts"]
    assert "debugger" not in site.log.read_text()


def test_the_server_of_the_project_tells_how_the_tests_are(site):
    """Whichever was started first, and as long as the watch lives."""
    server = site.server()
    server.start()
    try:
        before = server.status()["tests"]
        site.start()
        green = until(lambda: server.status()["tests"])
        site.save("blog/words.py", '"words"', '"other"')
        red = until(lambda: server.status()["tests"]["state"] == "red" and server.status()["tests"])
        server.stop()
        server.start()
        again = until(lambda: server.status()["tests"])
        site.stop()
        until(lambda: server.status()["tests"] is None)
    finally:
        server.stop()

    assert before is None
    assert (green["state"], green["failed"]) == ("green", 0)
    assert [failure["where"] for failure in red["failures"]] == ["blog/tests.py"]
    assert again == red


def test_a_file_that_each_run_changes_starts_runs_a_few_times(site):
    text = """
import pathlib, subprocess
path = pathlib.Path(__file__).with_name("data.out")
def test_writes():
    assert path.read_text()
    subprocess.run(["sh", "-c", f"date +%N >'{path}'"])
"""
    site.write("shop/data.out", "0")
    site.start()
    site.write("shop/test_writes.py", text)

    until(lambda: "changes whenever tests run" in site.log.read_text(), 60)
    status = site.wait()
    time.sleep(0.5)

    assert site.status()["generation"] == status["generation"], site.log.read_text()
