"""ASGI through Nginx: its own files in its own image, in front of Gunicorn on this machine."""

import shutil
import signal
import subprocess

import pytest

from django_compose_stack.tests import ROOT
from django_compose_stack.tests.native.conftest import free_port
from django_compose_stack.tests.native.test_asgi import gunicorn, python  # noqa: F401
from django_compose_stack.tests.stack.checkout import run, wait_for
from django_fast_reload.tests.server.clients import Events, WebSocket

NGINX = ROOT / "django_compose_stack/scaffold/production/nginx"
START = "sh /etc/nginx/stack/start bring && exec sh /etc/nginx/stack/start"


@pytest.fixture
def port(gunicorn, tmp_path):  # noqa: F811
    """The port of Nginx."""
    port, health = free_port(), free_port()
    files, secrets = tmp_path / "nginx", tmp_path / "secrets"
    shutil.copytree(NGINX, files)
    ports = {"8080": str(port), "8081": str(health), "http://web:8000": f"http://127.0.0.1:{gunicorn.port}"}
    for path in files.glob("*.conf"):
        text = path.read_text()
        for old, new in ports.items():
            text = text.replace(old, new)
        path.write_text(text)
    secrets.mkdir()
    for name in ("tls_certificate", "tls_key"):
        (secrets / name).touch()
    name = f"asgi-{port}"
    mounts = [f"--volume={files}:/etc/nginx/stack:ro", f"--volume={secrets}:/run/secrets:ro", "--tmpfs=/etc/nginx/live"]
    variables = ["--env=HTTPS=false", "--env=ALLOWED_HOSTS=localhost"]
    options = ["--detach", "--rm", f"--name={name}", "--network=host"]
    run("docker", "run", *options, *mounts, *variables, "nginx:1.30", "sh", "-c", START)
    wait_for(lambda: get(health, "/")[0] == "204", "Nginx to start")
    yield port
    run("docker", "rm", "--force", name)


def get(port, path, *options):
    """Return status and body."""
    command = ["curl", "-s", "-m", "10", "-w", "\n%{http_code}", *options, f"http://localhost:{port}{path}"]
    body, _, status = subprocess.run(command, capture_output=True, text=True).stdout.rpartition("\n")
    return status, body


@pytest.mark.parametrize("gunicorn", ["config.asgi.application"], indirect=True)
def test_websockets_and_events_pass_nginx_and_end_in_order(gunicorn, port):  # noqa: F811
    assert get(port, "/healthz") == ("200", '{"process": "ok"}')
    websocket, events = WebSocket(port, "/ws?room=1", 20), Events(port)
    assert websocket.ask("hello") == "hello"
    assert events.receive() == "one"  # Not after 4 KB of them.

    gunicorn.process.send_signal(signal.SIGTERM)

    assert websocket.receive() == 1012
    while events.receive() is not None:
        pass


@pytest.mark.parametrize("gunicorn", ["config.asgi.application"], indirect=True)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_asks_for_a_websocket_reaches_nothing_that_is_closed(gunicorn, port, method):  # noqa: F811
    headers = ["-X", method, "-H", "Upgrade: websocket", "-H", "Connection: Upgrade"]

    for path in ("/readyz", "/.websocket"):
        assert get(port, path, *headers)[0] == "404"
    limited = "429" in [get(port, "/accounts/login/", *headers)[0] for _ in range(9)]
    assert limited == (method == "POST")
