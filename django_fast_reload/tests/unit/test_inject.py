"""The policies under which a page's script may run."""

import pytest
from django.http import HttpResponse

from ...page.inject import Inject, allow


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


@pytest.mark.parametrize(
    "header",
    [
        ("Content-Disposition", 'attachment; filename="x.html"'),
        ("Content-Security-Policy", "sandbox allow-popups; default-src 'none'"),
    ],
    ids=["to be saved", "in a sandbox"],
)
def test_a_page_that_runs_no_script_stays_as_it_is(header):
    headers = [("Content-Type", "text/html"), header, ("ETag", '"x"')]
    answers = []

    def application(environ, start_response):
        start_response("200 OK", headers)
        return HttpResponse("<body>page</body>")

    body = b"".join(Inject(application, "version")({"REQUEST_METHOD": "GET"}, lambda *answer: answers.append(answer)))

    assert body == b"<body>page</body>"
    assert answers[0][:2] == ("200 OK", headers)


def test_a_changed_page_has_none_of_the_marks_of_the_page_before():
    """With its ETag a browser would be told 304 after a reload, show the old version again, and reload for ever."""
    page = HttpResponse("<body>page</body>")
    answers = []

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html"), ("ETag", '"x"'), ("Last-Modified", "y"), ("X-A", "z")])
        return page

    body = b"".join(Inject(application, "version")({"REQUEST_METHOD": "GET"}, lambda *answer: answers.append(answer)))

    assert b'data-version="version"' in body
    [(status, headers, _)] = answers
    assert headers == [("Content-Type", "text/html"), ("X-A", "z"), ("Content-Length", str(len(body)))]
    assert status == "200 OK"
    assert page.content == b"<body>page</body>"  # The project may use it again.


def test_closing_a_changed_page_closes_the_response():
    page, closed = HttpResponse("<body>page</body>"), []
    page._resource_closers.append(lambda: closed.append(page))

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return page

    changed = Inject(application, "version")({"REQUEST_METHOD": "GET"}, lambda *answer: None)
    assert changed.content != page.content
    changed.close()

    assert closed == [page]
