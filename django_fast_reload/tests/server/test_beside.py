"""DEVSERVER_TESTS: the server runs the tests that a save concerns."""

import os
import signal
from pathlib import Path

import pytest

from .test_watch_processes import SLOW, until
from .watched_site import WatchedSite


@pytest.fixture
def site(tmp_path):
    site = WatchedSite(tmp_path / "my site").server()
    yield site
    site.stop()


def verdict(site, state):
    return until(lambda: (tests := site.status()["tests"]) and tests["state"] == state and tests, 60)


def test_server_runs_the_tests_of_a_save(site):
    site.start(DEVSERVER_TESTS="blog shop")
    green = verdict(site, "green")
    site.edit("blog/words.py", '"words"', '"other"')
    red = verdict(site, "red")
    site.edit("blog/words.py", '"other"', '"words"')
    verdict(site, "green")

    assert green["counts"] == {"passed": 6}
    assert [failure["where"] for failure in red["failures"]] == ["blog/tests.py"]
    assert "1 failed" in site.log.read_text()


def test_options_reach_pytest(site):
    site.start(DEVSERVER_TESTS="-k 'word or plain'")

    assert verdict(site, "green")["counts"] == {"passed": 2}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_they_end_with_the_server(site, number):
    site.start(DEVSERVER_TESTS="blog shop")
    verdict(site, "green")
    process = site.process

    process.send_signal(number)
    process.wait(5)

    until(lambda: site.family() == [], 5)


def test_a_run_under_way_cleans_up_at_the_end(site):
    site.write("shop/test_slow.py", SLOW)
    site.start(DEVSERVER_TESTS="shop")
    until((site.root / "shop/began").exists, 60)

    site.stop()

    assert (site.root / "shop/cleaned").exists()


def watches(site):
    """Return the processes that run tests, by their supervisors."""
    return [pid for pid in site.family() if b"\0watch\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_another_version_goes_on_with_them(site):
    site.start(DEVSERVER_TESTS="blog")
    verdict(site, "green")
    before = watches(site)

    module = site.root / "django_fast_reload/package.py"
    module.with_suffix(".new").write_text(f"{module.read_text()}# Another version.\n")
    module.with_suffix(".new").rename(module)  # as an installation does
    site.edit("blog/words.py", '"words"', '"other"')
    until(lambda: "switching to it" in site.log.read_text() and "starting it" in site.log.read_text(), 60)
    verdict(site, "red")

    assert (watches(site), len(before)) == (before, 1)
    # The terminal is the server's.
    assert os.readlink(f"/proc/{before[0]}/fd/0") == os.devnull


def test_options_that_are_none_are_refused_and_the_server_runs(site):
    site.start(DEVSERVER_TESTS="-k 'word")

    assert site.get("/")[0] == 200
    assert "No tests run: DEVSERVER_TESTS=-k 'word is no list of options: No closing quotation." in site.log.read_text()
    assert watches(site) == []


def test_without_the_variable_there_are_none(site):
    site.start()

    assert (site.status()["tests"], watches(site)) == (None, [])
