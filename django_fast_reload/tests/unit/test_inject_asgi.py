import asyncio

import pytest

from ...page import inject_asgi
from ...page.inject_asgi import Inject

HTML = (b"content-type", b"text/html; charset=utf-8")
OPEN = b'<script src="/__devserver__/client.js"'


@pytest.fixture(autouse=True)
def plain_templates(monkeypatch):
    monkeypatch.setattr(inject_asgi, "note_templates", lambda: None)


def answer(parts, *headers, method="GET", when=None) -> tuple[dict, list[bytes]]:
    """Return the headers and the parts of the body that a client gets."""
    sent = []

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [HTML, *headers]})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})
            if when:
                when(number, [message["body"] for message in sent[1:]])

    async def send(message):
        sent.append(message)

    asyncio.run(Inject(application, "7")({"type": "http", "method": method}, None, send))
    assert [message.get("more_body") for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    return dict(sent[0]["headers"]), [message["body"] for message in sent[1:]]


def test_a_whole_page_keeps_a_length():
    headers, body = answer([b"<body>one</body></html>"], (b"Content-Length", b"23"), (b"ETag", b'"x"'))

    assert len(body) == 1
    assert body[0].startswith(b"<body>one" + OPEN)
    assert body[0].endswith(b"</script></body></html>")
    assert headers == {HTML[0]: HTML[1], b"content-length": str(len(body[0])).encode()}


@pytest.mark.parametrize("size", range(1, 12))
def test_the_end_may_come_in_any_parts(size):
    page = b"<body>one</b>two</body></html>"
    parts = [page[at : at + size] for at in range(0, len(page), size)]

    headers, body = answer(parts, (b"content-length", b"30"))

    text = b"".join(body)
    assert text.startswith(b"<body>one</b>two" + OPEN)
    assert text.endswith(b"</script></body></html>")
    assert text.count(OPEN) == 1
    assert b"content-length" not in headers


def test_what_stands_before_the_end_is_sent_at_once():
    def look(number, sent):
        assert b"".join(sent).startswith([b"one", b"onetwo", b"onetwo"][number - 1])

    answer([b"one", b"two</bo", b"dy>"], when=look)


def test_a_page_that_only_speaks_of_its_end_is_not_held_back():
    long = b'"</body>";' + b"x" * inject_asgi.MAX_TAIL

    _, body = answer([b"<script>" + long, b"more", b"</body>"])

    assert body[0].startswith(b"<script>" + long[:-7])
    assert b"".join(body).count(OPEN) == 1
    assert b"".join(body).endswith(b"</script></body>")


def test_a_page_without_an_end_stays_as_it_is():
    _, body = answer([b"one", b"two</bod"])

    assert b"".join(body) == b"onetwo</bod"


@pytest.mark.parametrize(
    ("header", "method"),
    [
        ((b"content-type", b"text/plain"), "GET"),
        ((b"content-encoding", b"gzip"), "GET"),
        ((b"content-disposition", b"attachment; filename=page.html"), "GET"),
        ((b"x", b"y"), "HEAD"),
    ],
)
def test_what_is_no_page_stays_as_it_is(header, method):
    headers, body = answer([b"<body></body>"], header, (b"Content-Length", b"13"), method=method)

    assert (body, headers[b"Content-Length"]) == ([b"<body></body>"], b"13")


def test_a_policy_allows_the_script():
    policy = (b"Content-Security-Policy", b"default-src 'none'")

    headers, body = answer([b"<body>", b"</body>"], policy)

    nonce = headers[policy[0]].partition(b"'nonce-")[2].partition(b"'")[0]
    assert nonce
    assert b' nonce="' + nonce + b'"' in b"".join(body)


def test_a_page_in_a_sandbox_without_scripts_stays_as_it_is():
    policy = (b"Content-Security-Policy", b"sandbox; default-src 'none'")

    headers, body = answer([b"<body>page</body>"], policy)

    assert (headers[policy[0]], body) == (policy[1], [b"<body>page</body>"])
