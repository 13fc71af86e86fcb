"""Deploys of an ASGI application to a Swarm of one node, under load and with many websockets open."""

import collections
import os
import threading
import time

import pytest

from django_compose_stack.tests.native.test_asgi import APPLICATION
from django_compose_stack.tests.prod.load import Load
from django_compose_stack.tests.prod.production import running
from django_compose_stack.tests.stack.checkout import wait_for
from django_fast_reload.tests.server.clients import WebSocket

DEPLOYS = int(os.environ.get("DEPLOYS", "1"))
WEBSOCKETS = 200
PER_ADDRESS = 50  # an address may have 200 requests at a time, and each websocket is one


class Follower(threading.Thread):
    """A client that opens its websocket again whenever that is closed.

    closes: how each ended: the code, or None where the connection was lost; errors: handshakes that were refused.
    """

    def __init__(self, port: int, number: int, ended: threading.Event):
        super().__init__(daemon=True)
        self.port, self.ended = port, ended
        # What a proxy in front would send.
        self.header = f"X-Forwarded-For: 10.1.1.{number // PER_ADDRESS + 1}\r\n"
        self.closes: list = []
        self.errors: list[str] = []
        self.waits: list[float] = []  # seconds from each close to the first answer behind it
        self.client = None

    def run(self):
        while not self.ended.is_set():
            began = time.monotonic()
            try:
                client = WebSocket(self.port, "/ws", 60, self.header)
                closed = client.ask("hello")
                if closed == "hello":
                    self.client = client
                    self.waits.append(time.monotonic() - began)
                    client.sock.settimeout(None)
                    closed = client.receive()
            except OSError as error:
                self.errors.append(repr(error))
                self.ended.wait(1)
                continue
            self.client = None
            if not self.ended.is_set():
                self.closes.append(closed)
            client.close()


@pytest.fixture(scope="module")
def asgi_stack(swarm, tmp_path_factory):
    with running(tmp_path_factory, "deploy", is_quick=True, prepare=prepare) as production:
        yield production


def prepare(production):
    production.variables |= {"WORKER_CLASS": "asgi", "TRUSTED_PROXY": "0.0.0.0/0"}
    (production.path / "config/asgi.py").write_text(APPLICATION)
    with (production.path / "config/settings.py").open("a") as settings:
        settings.write('ASGI_APPLICATION = "config.asgi.application"\n')


def test_deploys_fail_no_request_and_close_each_websocket_in_order(asgi_stack):
    ended = threading.Event()
    followers = [Follower(int(asgi_stack.variables["HTTP_PORT"]), number, ended) for number in range(WEBSOCKETS)]
    for follower in followers:
        follower.start()
    wait_for(lambda: all(follower.client for follower in followers), "all websockets to be open")
    with Load(asgi_stack) as load:
        for number in range(DEPLOYS):
            asgi_stack.give_style(f"release {number}")
            asgi_stack.make("deploy")
            wait_for(lambda n=number: all(len(each.closes) > n for each in followers), "each websocket to be closed")
        wait_for(lambda: all(follower.client for follower in followers), "all websockets to be open again")
    ended.set()
    for follower in followers:
        follower.client.sock.shutdown(2)
        follower.join(20)

    closes = collections.Counter(code for follower in followers for code in follower.closes)
    waits = sorted(wait for follower in followers for wait in follower.waits)
    print(
        f"\n{sum(load.answers.values())} requests in {DEPLOYS} deploys, slowest {load.slowest:.2f} s: {load.answers}; "
        f"closes {dict(closes)}; until back, s: median {waits[len(waits) // 2]:.2f}, longest {waits[-1]:.2f}"
    )
    assert load.failed == {}
    assert [error for follower in followers for error in follower.errors] == []
    assert closes.keys() == {1012}
    assert closes[1012] >= WEBSOCKETS * DEPLOYS
