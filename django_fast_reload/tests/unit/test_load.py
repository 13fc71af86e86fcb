"""One load, and what pages are told of it."""

import time

import pytest

from ... import ipc
from ...supervisor.loader import DOUBT, Load


def test_an_error_is_believed_after_a_moment():
    load = Load(1, ["a.py"])
    assert (load.report_in(), load.is_known_broken()) == (None, False)

    load.fail(ipc.plain_failure("NameError"))
    assert 0 < load.report_in() <= DOUBT
    assert not load.is_known_broken()
    load.is_reported = True

    assert (load.report_in(), load.is_known_broken()) == (None, True)


def test_a_server_that_lived_is_started_again():
    load = Load(1, [])
    assert load.is_short()

    load.started -= 2
    assert not load.is_short()


def test_time_is_from_the_change_to_the_end():
    load = Load(1, [])
    load.started = time.monotonic() - 0.25
    load.ended = time.monotonic()

    assert load.milliseconds == pytest.approx(250, abs=50)
