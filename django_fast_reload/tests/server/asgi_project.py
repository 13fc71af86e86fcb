"""What an ASGI project has besides the usual files, and an environment for it."""

from pathlib import Path

from .clients import WebSocket
from .environments import make_environment, uv
from .site import FILES, Site

PACKAGES = ("uvicorn", "websockets", "daphne", "channels")

ASGI = """
import os
from django.core.asgi import get_asgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django = get_asgi_application()
from blog import sockets
async def application(scope, receive, send):
    await {"http": django, "websocket": sockets.echo, "lifespan": sockets.lifespan}[scope["type"]](scope, receive, send)
""".lstrip()

SOCKETS = '''
import os
from pathlib import Path
from . import views
LOG = Path(__file__).resolve().parents[2] / "lifespan.log"
async def echo(scope, receive, send):
    """Answer each message with the version of the code; say what ended it."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"{views.VERSION} {message['text']}"})
    with LOG.open("a") as log:
        log.write(f"disconnect {message['code']}\\n")
async def lifespan(scope, receive, send):
    with LOG.open("a") as log:
        while True:
            message = await receive()
            log.write(f"{message['type']} {os.getpid()} {views.VERSION}\\n")
            log.flush()
            scope["state"]["word"] = "of the lifespan"
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
'''.lstrip()

VIEWS = '''
import os, asyncio, contextvars, threading, time
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import Permission
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
VERSION = "0000"
WORD = contextvars.ContextVar("word", default="nothing")
def index(request):
    return HttpResponse(VERSION)
async def later(request):
    await asyncio.sleep(0.01)
    return HttpResponse(VERSION)
def page(request):
    return render(request, "page.html", {"word": VERSION})
async def slow(request):
    (settings.BASE_DIR.parent / "slow began").touch()
    await asyncio.sleep(float(request.GET.get("for", "1")))
    return HttpResponse(VERSION)
async def events(request):
    async def stream():
        try:
            while True:
                yield f"data: {VERSION}\\n\\n"
                await asyncio.sleep(0.02)
        finally:
            with (settings.BASE_DIR.parent / "lifespan.log").open("a") as log:
                log.write("stream closed\\n")
    return StreamingHttpResponse(stream(), content_type="text/event-stream")
async def parts(request):
    async def stream():
        for part in ("<html><body><p>one</p>", "<p>two</p></bo", "dy></html>"):
            yield part
            await asyncio.sleep(float(request.GET.get("for", "0")))
    return StreamingHttpResponse(stream())
async def threads(request):
    """Sync code of one request runs in one thread, another than the loop's, and sees the request's variables."""
    WORD.set(request.GET["word"])
    first, second = await sync_to_async(threading.get_ident)(), await sync_to_async(threading.get_ident)()
    seen = await sync_to_async(WORD.get)()
    return JsonResponse({"one": first == second, "loop": first == threading.get_ident(), "word": seen})
async def word(request):
    return HttpResponse(WORD.get() + " " + request.scope["state"].get("word", ""))
def debug(request):
    breakpoint()
    return HttpResponse(VERSION)
async def debug_loop(request):
    breakpoint()
    return HttpResponse(VERSION)
def state(request):
    return JsonResponse({"version": VERSION, "pid": os.getpid()})
'''.lstrip()

URLS = FILES["config/urls.py"].replace(
    'path("slow", views.slow),',
    """path("slow", views.slow), path("later", views.later), path("events", views.events), path("parts", views.parts),
    path("threads", views.threads), path("word", views.word), path("pdb-loop", views.debug_loop),""",
)
ASGI_FILES = {
    "config/asgi.py": ASGI,
    "config/urls.py": URLS,
    "config/settings.py": FILES["config/settings.py"] + 'ASGI_APPLICATION = "config.asgi.application"\n',
    "blog/sockets.py": SOCKETS,
    "blog/views.py": VIEWS,
}


def make_asgi_environment(folder: Path, *packages: str) -> Path:
    python = make_environment(folder)
    uv("pip", "install", "--quiet", "--python", python, *packages)
    return python


class AsgiSite(Site):
    """The same project with an ASGI application, in an environment that has uvicorn.

    apps: lines of INSTALLED_APPS that come behind the fast reload; empty for the setting instead.
    """

    def __init__(self, root: Path, python: Path, *apps: str):
        settings = ASGI_FILES["config/settings.py"]
        if apps:
            names = "".join(f'"{app}", ' for app in apps)
            settings = settings.replace('"django_fast_reload", ', f'"django_fast_reload", {names}')
        else:
            settings += "DEVSERVER_ASGI = True\n"
        super().__init__(root, ASGI_FILES | {"config/settings.py": settings})
        self.python = python

    def lifespan(self) -> list[str]:
        log = self.root.parent / "lifespan.log"
        return log.read_text().splitlines() if log.exists() else []

    def connect(self, path: str = "/ws", timeout: float = 20) -> WebSocket:
        return WebSocket(self.port, path, timeout)
