"""Which Host headers are the developer's."""

import pytest

from ...supervisor.hosts import is_known


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", []),
        ("LOCALHOST.:8000", []),
        ("127.0.0.1:8000", []),
        ("[::1]", []),
        ("[::1]:8000", []),
        ("shop.localhost:80", []),
        ("example.com", ["example.com"]),
        ("example.com:8000", [".example.com"]),
        ("a.example.com", [".Example.com"]),
    ],
)
def test_hosts_that_are_known(host, allowed):
    assert is_known(host, allowed)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("", []),
        ("", ["*"]),
        ("evil.example", ["*"]),
        ("evillocalhost", []),
        ("localhost.evil.example", []),
        ("127.0.0.1.evil.example", []),
        ("a.example.com", ["example.com"]),
        ("[::2]", []),
    ],
)
def test_hosts_that_are_not_known(host, allowed):
    assert not is_known(host, allowed)
