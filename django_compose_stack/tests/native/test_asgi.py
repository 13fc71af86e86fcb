"""Production by ASGI: this project behind its own gunicorn.conf.py, with one variable, and without Nginx."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from django_compose_stack.tests import ROOT
from django_fast_reload.tests.server.asgi_project import make_asgi_environment
from django_fast_reload.tests.server.clients import Events, WebSocket

from .conftest import NOT_COPIED, free_port

APPLICATION = """
import asyncio
from django.core.asgi import get_asgi_application
django = get_asgi_application()
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan")
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
    elif scope["path"] == "/events":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            await send({"type": "http.response.body", "body": b"data: one\\n\\n", "more_body": True})
            await asyncio.sleep(0.05)
    elif scope["path"] == "/slow":
        await asyncio.sleep(2)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})
    else:
        await django(scope, receive, send)
"""


class Gunicorn:
    started = "Booting worker"

    def __init__(self, root, python, **variables):
        self.port = free_port()
        self.log = root.with_suffix(".log")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("POSTGRES", "DJANGO", "DATABASE"))
        }
        environment |= {"DEBUG": "false", "SECRET_KEY": "x" * 50, "ALLOWED_HOSTS": "localhost", "HTTPS": "false",
                        "WEB_CONCURRENCY": "1", **variables}  # fmt: skip
        subprocess.run([python, "manage.py", "migrate", "-v0"], cwd=root, env=environment, check=True)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command(root, python), cwd=root, env=environment, stdout=log, stderr=log
            )
        end = time.monotonic() + 60
        while self.started not in self.log.read_text():
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    def command(self, root, python):
        return [python, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}"]

    def get(self, path, *options):
        done = subprocess.run(
            ["curl", "-si", "--retry", "5", "--retry-connrefused", *options, f"http://localhost:{self.port}{path}"],
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    wanted = re.search(r"^gunicorn==\S+", (ROOT / "requirements/prod.txt").read_text(), re.M)[0]
    return make_asgi_environment(tmp_path_factory.mktemp("gunicorn") / "env", wanted)


@pytest.fixture(params=["config.asgi.application", ""])
def gunicorn(request, tmp_path, python):
    """Gunicorn with an ASGI application of the project's own, and with Django's."""
    root = tmp_path / "site"
    shutil.copytree(ROOT, root, ignore=NOT_COPIED)
    for path in (ROOT / "django_compose_stack/scaffold/production").glob("*.py"):
        shutil.copy(path, root)
    if request.param:
        (root / "config/asgi.py").write_text(APPLICATION)
        with (root / "config/settings.py").open("a") as settings:
            settings.write(f"ASGI_APPLICATION = {request.param!r}\n")
    server = Gunicorn(root, python, WORKER_CLASS="asgi")
    server.is_own = bool(request.param)
    yield server
    server.stop()


def test_streams_end_in_order_and_requests_finish(gunicorn):
    assert "200 OK" in gunicorn.get("/healthz"), gunicorn.log.read_text()
    assert "ERROR" not in gunicorn.log.read_text()
    if not gunicorn.is_own:
        return
    websocket, events = WebSocket(gunicorn.port, "/ws", 20), Events(gunicorn.port)
    assert websocket.ask("hello") == "hello"
    assert events.receive() == "one"
    assert b"x-accel-buffering: no" in events.head.lower()
    slow = subprocess.Popen(["curl", "-s", f"http://localhost:{gunicorn.port}/slow"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    began = time.monotonic()

    gunicorn.process.send_signal(signal.SIGTERM)

    assert websocket.receive() == 1012
    while events.receive() is not None:
        pass
    assert time.monotonic() - began < 1.5
    assert slow.communicate()[0] == "done"
    assert gunicorn.process.wait(15) == 0
    assert '"path": "/slow", "status": 200' in gunicorn.log.read_text()
