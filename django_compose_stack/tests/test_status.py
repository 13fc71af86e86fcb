"""`make status`, with no engine behind it."""

import json

import pytest

from django_compose_stack.host.process import Failure
from django_compose_stack.production import requests, status


def entry(seconds, code=200):
    return json.dumps({"status": code, "seconds": seconds, "path": "/"})


def test_requests_are_counted_from_the_log():
    lines = [entry(number / 100) for number in range(100)] + [
        entry(9.0, 503),
        "2027/03/01 [warn] an error's line",
        "{}",
    ]

    found = requests.read(lines)

    assert (found.count, found.failed, round(found.rate, 2), found.p95) == (101, 1, 0.99, 0.95)


def test_hour_without_requests_is_no_error():
    assert requests.read([]) == (0, 0, 0.0)
    assert requests.read([]).rate == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s ago"), (130, "2 min ago"), (7300, "2 h ago"), (47 * 3600, "47 h ago"), (172_800, "2 days ago")],
)
def test_age_is_in_the_unit_that_fits(seconds, text):
    assert status.ago(seconds) == text


@pytest.fixture
def lines(monkeypatch):
    """The lines that the status consists of; a test may put others in."""
    found = {"Version": lambda: status.Line("v1", {"version": "v1"})}
    monkeypatch.setattr(status, "LINES", found)
    monkeypatch.setenv("MODE", "production")
    monkeypatch.delenv("JSON", raising=False)
    return found


def test_site_that_is_well(lines, capsys):
    assert status.main() == 0

    assert capsys.readouterr().out == "Version      v1\nThe site is well.\n"


def test_problems_are_named_and_the_exit_status_is_1(lines, capsys):
    lines["Disk"] = lambda: status.Line("91 % used", {"percent": 91}, "the disk is nearly full")

    assert status.main() == 1

    assert capsys.readouterr().out.splitlines()[1:] == [
        "Disk         91 % used",
        "Problems     the disk is nearly full",
    ]


def test_what_cannot_be_found_out_hides_nothing_else(lines, capsys):
    def fails():
        raise Failure("no container of production's db runs on this engine", "make deploy")

    lines["Slow queries"] = fails

    assert status.main("--json") == 1

    said = json.loads(capsys.readouterr().out)
    assert said == {
        "well": False,
        "problems": ["slow queries cannot be found out"],
        "version": {"version": "v1"},
        "slow_queries": {"known": False},
    }


def test_json_by_variable(lines, capsys, monkeypatch):
    monkeypatch.setenv("JSON", "1")

    assert status.main() == 0

    assert json.loads(capsys.readouterr().out)["well"] is True


def test_status_is_of_production_alone(monkeypatch):
    monkeypatch.setenv("MODE", "native")

    with pytest.raises(Failure, match="make status MODE=production"):
        status.main()
