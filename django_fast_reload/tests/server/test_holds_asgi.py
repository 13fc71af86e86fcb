"""What holds with ASGI applications, servers and clients that are not as one would like them.

The docstrings are rows of a table in docs/reload.md: what was tried, and what holds.
"""

import json
import os
import signal
import socket
import time
from contextlib import suppress

import pytest

from .asgi_project import AsgiSite, make_asgi_environment
from .clients import Events, WebSocket
from .site import IS_INSTALLED

SERVERS = {"oldest": ["uvicorn==0.35", "websockets==11.0"], "newest": ["uvicorn", "websockets"]}
TOO_OLD = [["uvicorn==0.34.3", "websockets==15.0"], ["uvicorn", "websockets==10.4"]]
ROUTED = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
from django.core.asgi import get_asgi_application
django = get_asgi_application()
from blog import sockets
from blog.api import api
async def application(scope, receive, send):
    if scope["type"] == "lifespan" or scope["path"].startswith("/api"):
        await api(scope, receive, send)
    else:
        await {"http": django, "websocket": sockets.echo}[scope["type"]](scope, receive, send)
"""
FASTAPI = """
from contextlib import asynccontextmanager
from fastapi import FastAPI, WebSocket
from django.contrib.contenttypes.models import ContentType
WORD = "one"
@asynccontextmanager
async def lifespan(app):
    yield {"started": "started"}
api = FastAPI(lifespan=lifespan)
@api.get("/api/word")
async def word():
    return {"word": WORD, "model": ContentType._meta.label}
@api.websocket("/api/ws")
async def ws(websocket: WebSocket):
    await websocket.accept()
    while True:
        await websocket.send_text(f"{WORD} {websocket.state.started} {await websocket.receive_text()}")
"""
STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from django.contrib.contenttypes.models import ContentType
WORD = "one"
async def word(request):
    return JSONResponse({"word": WORD, "model": ContentType._meta.label})
async def ws(websocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{WORD} started {text}")
api = Starlette(routes=[Route("/api/word", word), WebSocketRoute("/api/ws", ws)])
"""
CHANNELS = """
from django.core.asgi import get_asgi_application
django = get_asgi_application()
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path
from blog.consumers import Chat, Rest
application = ProtocolTypeRouter({
    "http": URLRouter([path("rest", Rest.as_asgi()), path("", django), path("state", django)]),
    "websocket": URLRouter([path("ws", Chat.as_asgi())]),
})
"""
CONSUMERS = """
from channels.db import database_sync_to_async
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model
from . import views
class Rest(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_response(200, views.VERSION.encode())
class Chat(AsyncJsonWebsocketConsumer):
    groups = ["room"]
    async def receive_json(self, content):
        await self.channel_layer.group_send("room", {"type": "say", "text": f"{views.VERSION} {content}"})
    async def say(self, event):
        await database_sync_to_async(get_user_model)()
        await self.send_json(event["text"])
"""
MEGABYTE = 1 << 20


def save(site, number: int = 0) -> None:
    site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
    assert site.get() == (200, f"{number + 1:04}".encode())


def live(site) -> int:
    return json.loads(site.text("/state"))["pid"]


@pytest.fixture
def make_site(tmp_path):
    """Return a function that starts a site with an environment and files of its own."""
    sites = []

    def make(python, *apps, **files):
        site = AsgiSite(tmp_path / "my site", python, *apps)
        for name, text in files.items():
            site.write(name, text)
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.stop()


# ---- servers


@pytest.mark.parametrize("packages", SERVERS.values(), ids=SERVERS)
def test_versions_of_uvicorn_and_websockets(make_site, tmp_path, packages):
    """uvicorn 0.35 with websockets 11, and the newest of both: websockets close with 1012, streams end in order"""
    site = make_site(make_asgi_environment(tmp_path / "env", *packages))
    site.start()
    websocket, events = site.connect(), Events(site.port)
    assert websocket.ask("hello") == "0000 hello"
    assert events.receive() == "0000"
    save(site)
    assert websocket.receive() == 1012
    while events.receive() is not None:
        pass
    assert site.connect().ask("again") == "0001 again"


@pytest.mark.parametrize("packages", TOO_OLD, ids="+".join)
def test_too_old_a_uvicorn(make_site, tmp_path, packages):
    """An older uvicorn or websockets: the page says which version is needed, and the server stays up"""
    site = make_site(make_asgi_environment(tmp_path / "env", *packages))
    site.start()
    status, text = site.get()
    assert status == 500
    assert b"ASGI needs uvicorn 0.35 and websockets 11 or newer" in text
    assert b"python -m pip install --upgrade uvicorn websockets" in text


# ---- applications


@pytest.fixture(scope="module")
def api_python(tmp_path_factory):
    return make_asgi_environment(tmp_path_factory.mktemp("api") / "env", "uvicorn", "websockets", "fastapi")


@pytest.mark.parametrize("code", [FASTAPI, STARLETTE], ids=["FastAPI", "Starlette"])
def test_another_framework_beside_django(make_site, api_python, code):
    """FastAPI or Starlette beside Django, with its lifespan and websockets: a save of either is live"""
    site = make_site(api_python, **{"config/asgi.py": ROUTED, "blog/api.py": code})
    site.start()
    websocket = site.connect("/api/ws")
    assert websocket.ask("hello") == "one started hello"
    site.edit("blog/api.py", '"one"', '"two"')
    assert websocket.receive() == 1012
    assert json.loads(site.text("/api/word")) == {"word": "two", "model": "contenttypes.ContentType"}
    assert site.connect("/api/ws").ask("again") == "two started again"
    save(site)
    assert site.connect().ask("hello") == "0001 hello"


def test_consumers_of_channels(make_site, asgi_python):
    """Channels, async consumers in a group in memory, one of HTTP: all meet again after each save; nothing is stale"""
    settings = 'CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}\n'
    site = make_site(asgi_python, "channels", **{"config/asgi.py": CHANNELS, "blog/consumers.py": CONSUMERS})
    with (site.root / "config/settings.py").open("a") as file:
        file.write(settings)
    site.start()
    for number in range(3):
        one, two = site.connect(), site.connect()
        one.send('"hello"')
        assert one.receive() == two.receive() == f'"{number:04} hello"'
        assert f"\n{number:04}\r" in site.text("/rest")
        save(site, number)
        assert (one.receive(), two.receive()) == (1012, 1012)


def test_an_application_that_never_reads(fresh_asgi_site):
    """An application that never reads what it is sent: its websocket is closed, its process ends within seconds"""
    site = fresh_asgi_site
    site.edit(
        "blog/sockets.py", "    while (message", "    import asyncio\n    await asyncio.sleep(3600)\n    while (message"
    )
    site.start()
    pid = live(site)
    websocket = site.connect()
    for _ in range(100):
        websocket.send("x" * 120)
    with site.open("/slow?for=3600") as upload:
        upload.settimeout(1)
        save(site)
        assert websocket.receive() == 1012
        assert live(site) != pid
    site.until(lambda: pid not in site.family(), 15)


@pytest.mark.skipif(IS_INSTALLED, reason="the test shortens the time limit in its own copy of the package")
def test_an_application_that_raises_when_it_is_cancelled(fresh_asgi_site):
    """An application that ignores its end and its cancellation: its process ends after 30 seconds"""
    site = fresh_asgi_site
    site.edit("django_fast_reload/ipc.py", "DRAIN_TIMEOUT = 30", "DRAIN_TIMEOUT = 6")
    stubborn = (
        "    import asyncio\n    while True:\n        try:\n            await asyncio.sleep(3600)\n"
        "        except asyncio.CancelledError:\n            continue\n    while (message"
    )
    site.edit("blog/sockets.py", "    while (message", stubborn)
    site.start()
    pid = live(site)
    websocket = site.connect()
    save(site)
    assert websocket.receive() == 1012
    site.until(lambda: pid not in site.family(), 20)


# ---- clients


def test_half_open_websockets(fresh_asgi_site):
    """Clients of websockets that vanish, or never end their handshake: the old process ends within seconds"""
    site = fresh_asgi_site.start()
    pid = live(site)
    vanished = [site.connect() for _ in range(10)]  # They never answer the close.
    with socket.create_connection(("127.0.0.1", site.port)) as partial:
        partial.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSo")
        time.sleep(0.2)
        save(site)
        site.until(lambda: pid not in site.family(), 12)
    assert len(vanished) == 10


def test_large_messages(fresh_asgi_site):
    """Messages of 4 MB and of 20 MB: the first is answered, the second closes the websocket, as with uvicorn"""
    site = fresh_asgi_site.start()
    websocket = site.connect()
    websocket.send("x" * 4 * MEGABYTE)
    assert len(websocket.receive()) == 4 * MEGABYTE + len("0000 ")
    with suppress(ConnectionError):
        websocket.send("x" * 20 * MEGABYTE)
    assert websocket.receive() in (1009, None)  # Who still sends may miss the close.
    save(site)


def test_clients_that_never_read(fresh_asgi_site):
    """Clients of events that never read: saves are live, and the old process ends within seconds"""
    site = fresh_asgi_site
    site.edit("blog/views.py", 'yield f"data: {VERSION}', 'yield f"data: {VERSION}" + "x" * 4_000_000 + "')
    site.start()
    clients = []
    for _ in range(20):
        client = site.open("/events", buffer=1)
        assert client.recv(20)
        clients.append(client)
    pid = live(site)
    save(site)
    site.until(lambda: pid not in site.family(), 12)
    assert "Traceback" not in site.log.read_text()


def test_the_process_is_killed(fresh_asgi_site):
    """The process that holds websockets is killed: the connection ends without a close; the next process answers"""
    site = fresh_asgi_site.start()
    websocket = site.connect()
    websocket.ask("hello")
    time.sleep(1.1)  # A process that ends sooner is not started again.
    os.kill(live(site), signal.SIGKILL)
    assert websocket.receive() is None
    assert site.connect().ask("again") == "0000 again"


def test_a_flood_of_messages_at_each_save(fresh_asgi_site):
    """Messages without a pause while files are saved: each answer is of the code that was saved last"""
    site = fresh_asgi_site.start()
    for number in range(10):
        websocket: WebSocket = site.connect()
        for count in range(200):
            websocket.send(str(count))
        save(site, number)
        websocket.send("late")
        answers = []
        while isinstance(answer := websocket.receive(), str):
            answers.append(answer)
        assert answer == 1012
        assert all(text.startswith(f"{number:04} ") for text in answers)
        assert f"{number:04} late" not in answers
