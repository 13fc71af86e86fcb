"""Connections are handed over, answered, or kept; with real sockets, and no server."""

import selectors
import socket

import pytest

from ... import ipc
from ...journal import Journal
from ...supervisor.barrier import Barrier, listen
from ...supervisor.client import EVENT_TIMEOUT, MAX_HEADERS, READ_TIMEOUT, REQUEST_TIMEOUT, Client
from ...supervisor.endpoints import Endpoints, is_reserved
from ...supervisor.handles import Worker
from ...supervisor.loader import Load
from ...supervisor.terminal import Terminal

EVENT = b'data: {"state": "serving"}\n\n'
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Loader:
    """As much of the loader as the endpoints ask for."""

    version = "1.1"

    def __init__(self):
        self.load = Load(1, [])


class OwnEndpoints(Endpoints):
    def state(self, is_known=True):
        return {"state": "serving"}

    report = state


class Site:
    """A barrier whose live process is a socket pair."""

    def __init__(self):
        self.loop = selectors.EpollSelector()
        self.listener = listen("127.0.0.1", 0, False)
        self.loader = Loader()
        self.endpoints = OwnEndpoints(self.loop, self.loader, None, Terminal("/project"))
        self.current = self.live = None
        self.barrier = Barrier(self.listener, self.loop, self.endpoints, self.taker, lambda: 0)
        self.clients = []

    def taker(self, since):
        if self.current is not None:
            return self.current.hand_over
        return self.endpoints.serve if self.loader.load.is_known_broken() else None

    def serve(self):
        """Make the live process ready; return its side of the socket pair."""
        ours, theirs = ipc.pair()
        self.current = Worker(ours, Journal())
        self.clients += [ours, theirs]
        self.barrier.let_in()
        return theirs

    def fail(self, text):
        load = self.loader.load
        load.fail(ipc.plain_failure(text))
        load.is_reported = True
        self.barrier.let_in()

    def ask(self, request=REQUEST):
        client = socket.create_connection(self.listener.getsockname(), 5)
        self.clients.append(client)
        client.sendall(request)
        self.turn()
        return client

    def turn(self):
        """Handle events until there are none."""
        while events := self.loop.select(0.02):
            for key, _ in events:
                key.data()
        self.barrier.let_in()

    def close(self):
        for sock in [*self.clients, self.listener, *self.barrier.silent, *self.barrier.waiting]:
            sock.close()
        for client in list(self.endpoints.clients):
            self.endpoints.close(client)
        self.loop.close()


@pytest.fixture
def site():
    site = Site()
    yield site
    site.close()


def read(client):
    data = b""
    while part := client.recv(65536):
        data += part
    return data


def test_a_request_is_handed_over_with_its_first_bytes(site):
    theirs = site.serve()

    site.ask()

    message, [fd] = ipc.receive(theirs)
    with socket.socket(fileno=fd) as connection:
        assert (message, connection.recv(1000)) == (ipc.Connection(), REQUEST)


def test_a_connection_without_a_request_waits_for_one(site):
    theirs = site.serve()
    client = site.ask(b"")
    assert len(site.barrier.silent) == 1

    client.sendall(REQUEST)
    site.turn()

    assert len(ipc.receive(theirs)[1]) == 1
    assert site.barrier.silent == {}


def test_a_client_that_leaves_without_a_request_is_forgotten(site):
    site.ask(b"").close()
    site.turn()

    assert (site.barrier.silent, list(site.barrier.waiting)) == ({}, [])


def test_requests_wait_for_the_live_process(site):
    site.ask()
    site.ask()
    assert len(site.barrier.waiting) == 2

    theirs = site.serve()

    assert [len(ipc.receive(theirs)[1]) for _ in range(2)] == [1, 1]
    assert not site.barrier.waiting


def test_a_process_that_is_too_busy_gets_the_rest_later(site):
    theirs = site.serve()
    while site.current.send(ipc.Recorded()):
        pass

    site.ask()
    assert len(site.barrier.waiting) == 1
    while isinstance(message := ipc.receive(theirs)[0], ipc.Recorded):
        site.barrier.let_in()

    assert isinstance(message, ipc.Connection)


def test_requests_get_the_error_once_it_is_known(site):
    client = site.ask()
    site.loader.load.fail(ipc.plain_failure("NameError: x"))
    site.barrier.let_in()
    assert len(site.barrier.waiting) == 1  # A half-written file is an error too, for a moment.

    site.fail("NameError: x")

    answer = read(client)
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert answer.endswith(b"\r\n\r\nNameError: x\n\nNameError: x")


def test_a_browser_gets_a_page(site):
    site.fail("NameError: <x>")

    answer = read(site.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n"))

    assert b"Content-Type: text/html" in answer
    assert b"<h1>NameError: &lt;x&gt;</h1>" in answer


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /__devserver__/status", "200 OK", '{"state": "serving"}'),
        ("GET /__devserver__/client.js", "200 OK", None),
        ("GET /__devserver__/other", "404 Not Found", "There is nothing at this address.\n"),
    ],
)
def test_own_addresses_are_answered_whatever_the_project_does(site, request_line, status, body):
    answer = read(site.ask(f"{request_line}?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())).decode()

    assert answer.startswith(f"HTTP/1.1 {status}\r\n")
    assert body is None or answer.endswith(f"\r\n\r\n{body}")


def test_open_pages_are_told_of_each_change(site):
    client = site.ask(b"GET /__devserver__/events HTTP/1.1\r\n\r\n")
    site.endpoints.broadcast()

    assert client.recv(1000).count(b'data: {"state": "serving"}\n\n') >= 1
    client.close()
    site.turn()
    assert site.endpoints.clients == {}


def test_a_header_without_an_end_is_cut_off(site):
    client = site.ask(b"GET /__devserver__/status HTTP/1.1\r\n")
    for _ in range(MAX_HEADERS // 1024 + 2):
        try:
            client.sendall(b"X: " + b"x" * 1021)
        except OSError:
            break
        site.turn()

    assert site.endpoints.clients == {}


def test_who_does_not_read_or_send_is_closed_after_a_while():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = Client(ours)
        assert not client.is_over(client.since + REQUEST_TIMEOUT - 1)
        assert client.is_over(client.since + REQUEST_TIMEOUT + 1)

        theirs.sendall(REQUEST)
        assert client.read() == ("GET", "/", {"host": "localhost"})
        assert client.is_over(client.since + READ_TIMEOUT + 1)

        client.stream(EVENT)
        assert not client.is_over(client.since + 1000)


def test_a_page_that_does_not_read_gets_the_last_event_when_it_does():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = Client(ours)
        client.stream(EVENT)
        while not client.unsent:
            client.push(EVENT)

        client.push(b"data: skipped\n\n")
        client.push(b"data: last\n\n")

        assert client.is_over(client.since + EVENT_TIMEOUT + 1)
        data = b""
        while not data.endswith(b"data: last\n\n"):
            data += theirs.recv(1 << 20)
            client.flush()
        assert data.count(b"skipped") == 0
        assert not client.is_over(client.since + 1000)


def test_a_prefix_is_enough_to_know_whom_a_request_is_for():
    assert is_reserved(b"GET /__devserver__/status HTT")
    assert not is_reserved(b"GET /__devserver HTTP/1.1")
    assert not is_reserved(b"GET /page/__devserver__/ HTTP/1.1")
