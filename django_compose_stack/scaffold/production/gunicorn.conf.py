"""Gunicorn's settings, which it reads by itself: production's server, behind Nginx."""

import gc
import json
import os
import sys
from pathlib import Path

from gunicorn.glogging import Logger

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django_compose_stack.env import InvalidVariable

try:
    from config import settings
except InvalidVariable as error:
    sys.exit(str(error))


class JsonLogger(Logger):
    """Gunicorn's logger with an access log of one JSON object a line."""

    def access(self, resp, req, environ, request_time):
        if environ["PATH_INFO"] == "/healthz":
            return
        entry = {
            "time": self.now().strip("[]"),
            "id": environ.get("HTTP_X_REQUEST_ID"),
            "client": environ.get("HTTP_X_REAL_IP", environ.get("REMOTE_ADDR")),
            "method": environ["REQUEST_METHOD"],
            "path": environ["RAW_URI"],
            "status": int(str(resp.status).split()[0]),
            "bytes": resp.sent,
            "ms": round(request_time.seconds * 1000 + request_time.microseconds / 1000, 1),
        }
        self.access_log.info("%s", json.dumps(entry))


# gthread serves WSGI. Each other one serves ASGI; "asgi" is Gunicorn's own, with an orderly end of its streams.
worker_class = getattr(settings, "WORKER_CLASS", "gthread")
wsgi_app = "config.wsgi"
threads = settings.WEB_THREADS
# A process takes no more than it can begin, so that the rest waits where the first free one finds it. Nginx keeps no
# connection, which would take a place.
worker_connections, keepalive = threads, 0
if worker_class != "gthread":
    threads, worker_connections, keepalive = 1, 1000, 2
    wsgi_app = "django.core.asgi:get_asgi_application()"
    if path := getattr(settings, "ASGI_APPLICATION", None):
        wsgi_app = ":".join(path.rsplit(".", 1))
if worker_class == "asgi":
    worker_class = "django_compose_stack.asgi.Worker"
bind = "0.0.0.0:8000"
workers = settings.WEB_CONCURRENCY
# One copy of the code in memory for all workers.
preload_app = True
# A worker touches a file there to show that it lives, and a disk may block (gunicorn#1863).
worker_tmp_dir = "/dev/shm"
timeout = 30  # seconds
# Less than stop_grace_period in compose.prod.yaml, so that the last requests end by themselves.
graceful_timeout = 25  # seconds
# Slow leaks end with the worker; the jitter keeps the workers from ending together.
max_requests = 10_000
max_requests_jitter = 2_000
control_socket_disable = True
accesslog = "-"
logger_class = JsonLogger


def on_starting(server):
    """Listen only once the database answers and has this version's tables, so that nothing is sent here sooner."""
    from django.core.management import call_command
    from django.db import connection

    call_command("ready", wait=60)
    connection.close()
    if hasattr(connection, "close_pool"):
        connection.close_pool()
    # Workers then share these pages: a collection in one of them would otherwise write to each object.
    gc.freeze()
