"""The policies under which a page's script may run."""

import pytest

from ..inject import allow


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("default-src 'self'", "default-src 'self'"),
        ("script-src 'nonce-abc' 'strict-dynamic'", "script-src 'nonce-abc' 'strict-dynamic'"),
        ("default-src 'none'", "default-src 'none'; script-src 'nonce-NEW'; connect-src 'self'"),
        ("script-src 'none'; connect-src x.org", "script-src 'nonce-NEW'; connect-src x.org 'self'"),
        ("script-src-elem x.org; script-src 'self'", "script-src-elem x.org 'nonce-NEW'; script-src 'self'"),
        ("img-src 'none'", "img-src 'none'"),
    ],
)
def test_a_policy_changes_only_where_it_would_forbid_the_script(policy, allowed):
    headers, nonce = allow([("Content-Type", "text/html"), ("Content-Security-Policy", policy)])

    assert headers == [("Content-Type", "text/html"), ("Content-Security-Policy", allowed.replace("NEW", nonce))]
    assert bool(nonce) == ("nonce" in allowed)
