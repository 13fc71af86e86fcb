"""No request is refused, fails, or is answered by code older than the last save before it was sent."""

import http.client
import os
import socket
import threading
import time

import pytest


@pytest.fixture(params=["site", "asgi_site"])
def each_site(request):
    return request.getfixturevalue(request.param)


EDITS = int(os.environ.get("DEVSERVER_EDITS", "150"))


def test_rapid_saves_under_parallel_requests(each_site):
    """All saves have the same length, most happen within one second: a .pyc could not tell them apart."""
    site = each_site
    saved, problems, ended = 0, [], threading.Event()

    def visit():
        while not ended.is_set():
            at_least = saved
            status, body = site.get()
            if status != 200 or int(body) < at_least:
                problems.append((at_least, status, body[:500]))

    clients = [threading.Thread(target=visit) for _ in range(8)]
    for client in clients:
        client.start()
    path = site.root / "blog/views.py"
    for number in range(1, EDITS + 1):
        path.write_text(site.files["blog/views.py"].replace("0000", f"{number:04}"))
        saved = number
        if number % 10 == 0:
            time.sleep(0.1)
    time.sleep(0.2)
    ended.set()
    for client in clients:
        client.join()

    assert problems == []
    assert site.text() == f"{EDITS:04}"


def test_a_connection_opened_before_the_save_gets_the_new_code(each_site):
    """Browsers open connections ahead of the requests."""
    site = each_site
    with socket.create_connection(("127.0.0.1", site.port), 10) as sock:
        time.sleep(0.1)
        site.edit("blog/views.py", '"0000"', '"0001"')
        time.sleep(0.1)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert sock.makefile("rb").read().endswith(b"\r\n\r\n0001")


def test_connections_are_not_kept_alive(each_site):
    """A kept connection would lead the next request to the old process."""
    site = each_site
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    for method in ("GET", "HEAD"):
        connection.request(method, "/")
        response = connection.getresponse()

        assert (response.status, response.getheader("Connection")) == (200, "close")
        response.read()
        connection.close()


def test_requests_under_way_finish_on_the_old_code(each_site):
    site = each_site
    client, answers = site.begin_slow(1)
    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    client.join()
    assert answers == [(200, b"0000")]


def test_a_post_with_a_body_survives_an_error(each_site):
    site = each_site
    site.edit("blog/views.py", "import os", "import oss")
    body = b"x" * 3_000_000

    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("POST", "/", body)

    assert connection.getresponse().status == 500
    connection.close()
