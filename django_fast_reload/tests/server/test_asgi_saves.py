"""What a save does to websockets, streams and requests of an ASGI application.

DEVSERVER_EDITS sets how often the files are saved under clients that connect again.
"""

import os
import signal
import statistics
import threading
import time

import pytest

from .asgi_project import SOCKETS
from .clients import Events

EDITS = int(os.environ.get("DEVSERVER_EDITS", "50"))
RECONNECT = 1.0  # seconds; on a machine that does nothing else it is a tenth of that


@pytest.fixture(autouse=True)
def no_old_log(asgi_site):
    (asgi_site.root.parent / "lifespan.log").write_text("")


def test_a_websocket_is_closed_with_1012(asgi_site):
    client = asgi_site.connect()
    client.ask("hello")

    asgi_site.edit("blog/views.py", '"0000"', '"0001"')

    began = time.monotonic()
    assert client.receive() == 1012
    assert time.monotonic() - began < 1
    assert asgi_site.connect().ask("again") == "0001 again"
    asgi_site.until(lambda: "disconnect 1012" in asgi_site.lifespan())
    client.close()


def test_a_stream_of_events_ends_in_order(asgi_site):
    """The browser is told to come back at once, and the generator is closed as where the client goes."""
    client = Events(asgi_site.port)
    assert b"text/event-stream" in client.head
    assert client.receive() == "0000"

    asgi_site.edit("blog/views.py", '"0000"', '"0001"')

    began = time.monotonic()
    while (event := client.receive()) is not None:
        assert event == "0000"
    assert time.monotonic() - began < 1
    assert client.retry == b"retry: 100\n\n"
    assert Events(asgi_site.port).receive() == "0001"
    asgi_site.until(lambda: "stream closed" in asgi_site.lifespan())
    client.close()


def test_many_websockets_with_unread_messages(asgi_site):
    """Each is told, also those whose clients still send: the connection stays open until they have read the close."""
    clients = [asgi_site.connect() for _ in range(100)]
    for client in clients:
        client.ask("hello")

    asgi_site.edit("blog/views.py", '"0000"', '"0001"')
    for client in clients:
        for _ in range(20):
            client.send("x" * 100)

    for client in clients:
        assert client.receive() == 1012
        client.close()


def test_more_websockets_than_there_is_room_for(fresh_asgi_site):
    """Half of the descriptors are for connections; what comes then waits, for the new process too."""
    site = fresh_asgi_site
    site.start(command=["sh", "-c", 'ulimit -n 80; exec "$@"', "sh", site.python, "manage.py"])
    clients = [site.connect() for _ in range(40)]
    waiting = []
    late = threading.Thread(target=lambda: waiting.append(site.get("/")))
    late.start()
    time.sleep(0.3)
    assert waiting == []
    assert clients[0].ask("hello") == "0000 hello"

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert {client.receive() for client in clients} == {1012}
    late.join(20)
    assert waiting in ([(200, b"0000")], [(200, b"0001")])  # It was asked before the save.
    assert site.get("/") == (200, b"0001")


def test_a_client_that_goes(asgi_site):
    """The generator of its events is closed, and nothing is in the log."""
    size = len(asgi_site.log.read_text())
    client = Events(asgi_site.port)
    client.receive()

    client.close()

    asgi_site.until(lambda: "stream closed" in asgi_site.lifespan())
    assert "Traceback" not in asgi_site.log.read_text()[size:]


def test_requests_under_way_finish_on_the_old_code(asgi_site):
    client, answers = asgi_site.begin_slow(1)
    asgi_site.edit("blog/views.py", '"0000"', '"0001"')

    assert asgi_site.text() == "0001"
    client.join()
    assert answers == [(200, b"0000")]
    asgi_site.until(lambda: any(line.startswith("lifespan.shutdown") for line in asgi_site.lifespan()))


def test_a_handshake_waits_for_the_new_code(asgi_site):
    """Also where the connection was open before the save."""
    for number in range(1, 20):
        asgi_site.edit("blog/views.py", f'"{number - 1:04}"', f'"{number:04}"')

        client = asgi_site.connect()
        assert client.ask("hello") == f"{number:04} hello"
        client.close()


def test_a_message_after_a_save_is_never_answered_by_old_code(asgi_site):
    """It came over a connection that the old process holds, before that has heard of the save."""
    for number in range(1, 30):
        client = asgi_site.connect()
        client.ask("hello")
        asgi_site.edit("blog/views.py", f'"{number - 1:04}"', f'"{number:04}"')

        client.send("stale")

        assert client.receive() == 1012
        client.close()


def test_a_message_after_a_change_of_a_template_is_answered(asgi_site):
    """Only another process closes websockets."""
    client = asgi_site.connect()
    client.ask("hello")
    asgi_site.write("templates/page.html", "<p>{{ word }} two</p>")

    assert client.ask("again") == "0000 again"
    assert asgi_site.text("/page") == "<p>0000 two</p>"
    assert client.ask("and again") == "0000 and again"
    client.close()


def test_an_application_that_ignores_the_end(asgi_site):
    """It is cancelled after a while; the process ends."""
    stubborn = SOCKETS.replace(
        '    while (message := await receive())["type"]',
        '    import asyncio\n    await asyncio.sleep(3600)\n    while (message := await receive())["type"]',
    )
    asgi_site.write("blog/sockets.py", stubborn)
    client = asgi_site.connect()
    process = asgi_site.get("/state")

    asgi_site.restore("blog/sockets.py")

    assert client.receive() == 1012
    assert asgi_site.get("/state") != process
    asgi_site.until(lambda: any(line.startswith("lifespan.shutdown") for line in asgi_site.lifespan()[-1:]), 15)
    client.close()


def test_the_end_of_the_server(fresh_asgi_site):
    """Clients are told, and the lifespan ends."""
    site = fresh_asgi_site
    site.start()
    websocket, events = site.connect(), Events(site.port)
    websocket.ask("hello")
    events.receive()

    site.stop(signal.SIGINT)

    assert websocket.receive() == 1012
    while events.receive() is not None:
        pass
    assert any(line.startswith("lifespan.shutdown") for line in site.lifespan())


def test_clients_that_connect_again_across_saves(asgi_site):
    """Each is told of each save, comes back soon, and hears no old code."""
    saved, problems, waits, ended = 0, [], {"websocket": [], "events": []}, threading.Event()

    def keep(kind, connect, is_end):
        while not ended.is_set():
            at_least, began = saved, time.monotonic()
            try:
                client = connect()
                number = 0
                while not is_end(answer := client.next(number)):
                    if answer is None:
                        problems.append(f"{kind}: lost without a close")
                        break
                    if not number:
                        waits[kind].append(time.monotonic() - began)
                    number += 1
                    if int(answer[:4]) < at_least:
                        problems.append(f"{kind}: {answer} after save {at_least}")
                    if kind == "websocket":
                        at_least = saved  # Each message of its own counts, not only the first.
                client.close()
            except (OSError, ValueError) as error:
                problems.append(f"{kind}: {error!r}")

    def websocket():
        client = asgi_site.connect()
        client.next = lambda number: client.ask(str(number))
        return client

    def events():
        client = Events(asgi_site.port)
        client.next = lambda number: client.receive() or 0
        return client

    clients = [
        threading.Thread(target=keep, args=("websocket", websocket, lambda answer: answer == 1012)),
        threading.Thread(target=keep, args=("websocket", websocket, lambda answer: answer == 1012)),
        threading.Thread(target=keep, args=("events", events, lambda answer: answer == 0)),
        threading.Thread(target=keep, args=("events", events, lambda answer: answer == 0)),
    ]
    for client in clients:
        client.start()
    for number in range(1, EDITS + 1):
        time.sleep(0.2)
        asgi_site.edit("blog/views.py", f'"{number - 1:04}"', f'"{number:04}"')
        saved = number
        asgi_site.get()
    time.sleep(0.3)
    ended.set()
    asgi_site.edit("blog/views.py", f'"{EDITS:04}"', f'"{EDITS + 1:04}"')
    for client in clients:
        client.join(20)

    for kind, some in waits.items():
        print(f"{kind}: {len(some)} connections; until the first answer, ms: {figures(some)}")
    assert problems == []
    assert min(map(len, waits.values())) >= 2 * EDITS
    assert max(map(statistics.median, waits.values())) < RECONNECT


def figures(seconds: list[float]) -> str:
    found = [1000 * second for second in sorted(seconds)]
    return f"median {statistics.median(found):.0f}, p95 {found[int(len(found) * 0.95)]:.0f}, longest {found[-1]:.0f}"
