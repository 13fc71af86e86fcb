"""An ASGI application: what it answers, and what it gets."""

import http.client
import json
import subprocess
import time

import pytest

from .asgi_project import AsgiSite, make_asgi_environment

REFUSE = 'return await send({"type": "websocket.close"})'


def test_sync_and_async_views(asgi_site):
    assert asgi_site.get("/") == (200, b"0000")
    assert asgi_site.get("/later") == (200, b"0000")


def test_static_files(asgi_site):
    assert asgi_site.get("/static/site.css") == (200, b"p { color: red }")


def test_the_server_says_what_it_is(asgi_site):
    assert "Starting ASGI development server (uvicorn " in asgi_site.log.read_text()
    assert '"GET /later HTTP/1.1" 200 4' in (asgi_site.text("/later") and asgi_site.log.read_text())


def test_a_save_of_an_async_view(asgi_site):
    asgi_site.edit("blog/views.py", '"0000"', '"0001"')

    assert asgi_site.get("/later") == (200, b"0001")
    assert asgi_site.status()["history"][-1]["before"]  # It went on from a snapshot.


def test_a_syntax_error_and_its_fix(asgi_site):
    asgi_site.edit("blog/sockets.py", "async def echo(", "async def echo((")

    status, body = asgi_site.get("/", accept="text/html")
    assert status == 500
    assert b"blog/sockets.py" in body
    with pytest.raises(ConnectionError, match="500"):
        asgi_site.connect()

    asgi_site.restore("blog/sockets.py")
    assert asgi_site.get("/") == (200, b"0000")
    assert asgi_site.connect().ask("hello") == "0000 hello"


def test_connections_are_not_kept_alive(asgi_site):
    """A kept connection would lead the next request to the old process."""
    connection = http.client.HTTPConnection("127.0.0.1", asgi_site.port, timeout=10)
    for path in ("/later", "/parts", "/missing"):
        connection.request("GET", path)
        response = connection.getresponse()

        assert response.getheader("Connection") == "close"
        response.read()
        assert connection.sock is None


def test_pages_get_the_script_once(asgi_site):
    asgi_site.write("templates/page.html", "<body><p>{{ word }}</p></body>")

    status, body = asgi_site.get("/page")

    assert status == 200
    assert body.startswith(b'<body><p>0000</p><script src="/__devserver__/client.js"')
    assert body.endswith(b"</script></body>")
    assert b"templates/page.html" in body
    assert asgi_site.get("/later")[1].count(b"<script") == 0


def test_streamed_pages_get_the_script(asgi_site):
    """Its end may come in several parts; what stands before it is sent at once."""
    connection = http.client.HTTPConnection("127.0.0.1", asgi_site.port, timeout=10)
    began = time.monotonic()
    connection.request("GET", "/parts?for=1")
    response = connection.getresponse()

    assert response.read(len("<html><body><p>one</p>")) == b"<html><body><p>one</p>"
    assert time.monotonic() - began < 0.9
    rest = response.read()
    assert rest.startswith(b'<p>two</p><script src="/__devserver__/client.js"')
    assert rest.endswith(b"</script></body></html>")
    connection.close()


def test_thread_sensitive_code_and_context_variables(asgi_site):
    """As under daphne: one thread for the sync code of a request, and variables that no other request sees."""
    for word in ("a", "b"):
        answer = json.loads(asgi_site.text(f"/threads?word={word}"))

        assert answer == {"one": True, "loop": False, "word": word}
        assert asgi_site.text("/word") == "nothing of the lifespan"


def test_a_websocket(asgi_site):
    client = asgi_site.connect()

    assert [client.ask("one"), client.ask("two")] == ["0000 one", "0000 two"]
    client.close()


def test_a_websocket_that_the_application_refuses(asgi_site):
    asgi_site.edit("blog/sockets.py", 'await send({"type": "websocket.accept"})', REFUSE)

    with pytest.raises(ConnectionError, match="403"):
        asgi_site.connect()


def test_lifespan(fresh_asgi_site):
    site = fresh_asgi_site
    site.start()
    first = json.loads(site.text("/state"))["pid"]
    site.edit("blog/views.py", '"0000"', '"0001"')
    second = json.loads(site.text("/state"))["pid"]
    site.until(lambda: len(site.lifespan()) == 3)
    site.stop()

    assert sorted(site.lifespan()) == [
        f"lifespan.shutdown {first} 0000",
        f"lifespan.shutdown {second} 0001",
        f"lifespan.startup {first} 0000",
        f"lifespan.startup {second} 0001",
    ]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('raise ZeroDivisionError("at the start")', b"ZeroDivisionError: at the start"),
        ('await send({"type": "lifespan.startup.failed", "message": "no broker"})', b"no broker"),
    ],
)
def test_a_lifespan_that_does_not_start_is_an_error_of_the_load(asgi_site, code, text):
    asgi_site.edit("blog/sockets.py", 'scope["state"]["word"] = "of the lifespan"', code)

    status, body = asgi_site.get("/")
    assert status == 500
    assert text in body

    asgi_site.restore("blog/sockets.py")
    assert asgi_site.get("/") == (200, b"0000")


def test_a_receiver_that_fails(asgi_site):
    """Nobody waits for its answer for ever: the process ends, and another one answers."""
    asgi_site.edit(
        "blog/apps.py",
        'name = "blog"',
        'name = "blog"\n    def ready(self):\n        from django.utils.autoreload import file_changed\n'
        "        file_changed.connect(fail, weak=False)\ndef fail(**kwargs):\n    raise ZeroDivisionError",
    )
    first = json.loads(asgi_site.text("/state"))["pid"]
    time.sleep(1)  # A process that ends sooner is not started again.

    asgi_site.write("templates/page.html", "<p>{{ word }} two</p>")

    assert asgi_site.get("/page", timeout=10) == (200, b"<p>0000 two</p>")
    assert json.loads(asgi_site.text("/state"))["pid"] != first


def test_an_application_without_lifespan(fresh_asgi_site):
    """Django's own: the setting alone is enough."""
    site = fresh_asgi_site
    site.edit("config/settings.py", 'ASGI_APPLICATION = "config.asgi.application"\n', "")
    site.edit("blog/views.py", 'scope["state"].get', "scope.get")
    site.start()

    assert site.get("/later") == (200, b"0000")
    assert site.lifespan() == []


def test_no_name_of_that_kind(fresh_asgi_site):
    site = fresh_asgi_site
    site.edit("config/settings.py", "asgi.application", "asgi.app")
    site.start()

    assert b"config.asgi has no &#x27;app&#x27;" in site.get("/", accept="text/html")[1]


@pytest.mark.parametrize("apps", [("daphne", "channels"), ("channels",)])
def test_channels(tmp_path, asgi_python, apps):
    """A consumer with its group, and thread-sensitive database code."""
    site = AsgiSite(tmp_path / "my site", asgi_python, *apps)
    site.write(
        "config/asgi.py",
        """
from django.core.asgi import get_asgi_application
django = get_asgi_application()
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path
from blog.consumers import Chat
application = ProtocolTypeRouter({"http": django, "websocket": URLRouter([path("ws", Chat.as_asgi())])})
""",
    )
    site.write(
        "blog/consumers.py",
        """
from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer
from django.contrib.contenttypes.models import ContentType
from . import views
class Chat(WebsocketConsumer):
    def connect(self):
        async_to_sync(self.channel_layer.group_add)("room", self.channel_name)
        self.accept()
    def receive(self, text_data):
        message = {"type": "say", "text": f"{views.VERSION} {text_data} {ContentType.objects.count()}"}
        async_to_sync(self.channel_layer.group_send)("room", message)
    def say(self, event):
        self.send(event["text"])
""",
    )
    with (site.root / "config/settings.py").open("a") as file:
        file.write('CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}\n')
    subprocess.run([asgi_python, "manage.py", "migrate", "-v0"], cwd=site.root, check=True)
    try:
        site.start()
        one, two = site.connect(), site.connect()
        one.send("hello")
        words = one.receive()
        assert two.receive() == words
        assert words.startswith("0000 hello ")

        site.edit("blog/views.py", '"0000"', '"0001"')
        assert (one.receive(), two.receive()) == (1012, 1012)
        assert site.connect().ask("again").startswith("0001 again ")
        assert [name for name in site.status()["snapshots"] if name == "blog/views.py"]
        assert "no snapshot" not in site.log.read_text().lower()
    finally:
        site.stop()


def test_daphne_with_noasgi(tmp_path, asgi_python):
    site = AsgiSite(tmp_path / "my site", asgi_python, "daphne")
    try:
        site.start("--noasgi")

        assert site.get("/") == (200, b"0000")
        assert site.lifespan() == []
        with pytest.raises(ConnectionError):
            site.connect()
    finally:
        site.stop()


@pytest.mark.parametrize("first", [True, False])
def test_the_order_of_daphne(tmp_path, asgi_python, first):
    site = AsgiSite(tmp_path / "my site", asgi_python, "daphne")
    if not first:
        site.edit("config/settings.py", '"django_fast_reload", "daphne"', '"daphne", "django_fast_reload"')

    done = subprocess.run([asgi_python, "manage.py", "check"], cwd=site.root, capture_output=True, text=True)

    if first:
        assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n")
    else:
        assert done.returncode == 1
        assert "(fast_reload.E001) There is no fast reload: `runserver` comes from daphne" in done.stderr
        assert 'move "django_fast_reload" to the line before "daphne".' in done.stderr


def test_daphne_first_says_so_in_the_server_too(tmp_path, asgi_python):
    site = AsgiSite(tmp_path / "my site", asgi_python, "daphne")
    site.edit("config/settings.py", '"django_fast_reload", "daphne"', '"daphne", "django_fast_reload"')
    try:
        site.start(wait=False)

        assert site.process.wait(60) == 1
        assert 'move "django_fast_reload" to the line before "daphne".' in site.log.read_text()
    finally:
        site.stop()


def test_without_uvicorn(tmp_path):
    """The server stays up, and says what to install."""
    python = make_asgi_environment(tmp_path / "env", "channels")
    site = AsgiSite(tmp_path / "my site", python, "channels")
    text = "ASGI needs uvicorn, which is not installed. Install it: python -m pip install uvicorn websockets"
    try:
        site.start()
        assert text in site.text("/")
        assert text in site.log.read_text()
        done = subprocess.run([python, "manage.py", "check"], cwd=site.root, capture_output=True, text=True)
        assert "(fast_reload.E002) ASGI needs uvicorn" in done.stderr

        make_asgi_environment(tmp_path / "env", "uvicorn", "websockets")
        site.write("manage.py", (site.root / "manage.py").read_text())  # A save without a change asks to try again.
        assert site.text("/later") == "0000"
    finally:
        site.stop()
