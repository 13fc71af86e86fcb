"""A small Django project in a folder of its own, and a dev server that runs it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from copy import copy
from pathlib import Path
from textwrap import dedent

PACKAGE = Path(__file__).resolve().parents[2]

FILES = {
    "manage.py": """
        import os, sys
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        if __name__ == "__main__":
            from django_fast_reload import take_over
            take_over(sys.argv)
            from django.core.management import execute_from_command_line
            execute_from_command_line(sys.argv)
    """,
    "config/__init__.py": "",
    "config/settings.py": """
        from pathlib import Path
        BASE_DIR = Path(__file__).resolve().parent.parent
        SECRET_KEY = "test"
        DEBUG = True
        ALLOWED_HOSTS = ["*"]
        ROOT_URLCONF = "config.urls"
        INSTALLED_APPS = [
            "django_fast_reload", "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
            "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles", "blog", "shop",
        ]
        MIDDLEWARE = [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ]
        TEMPLATES = [{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [BASE_DIR / "templates"],
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]},
        }]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
        STATIC_URL = "/static/"
        STATICFILES_DIRS = [BASE_DIR / "static"]
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
        WORD = "settings"
    """,
    "config/urls.py": """
        from django.contrib import admin
        from django.urls import include, path
        from blog import views
        urlpatterns = [
            path("", views.index),
            path("page", views.page),
            path("slow", views.slow),
            path("state", views.state),
            path("pdb", views.debug),
            path("shop/", include("shop.urls")),
            path("admin/", admin.site.urls),
        ]
    """,
    "templates/page.html": "<p>{{ word }} one</p>",
    "static/site.css": "p { color: red }",
    "data.txt": "data",
    "blog/__init__.py": "",
    "blog/apps.py": """
        from django.apps import AppConfig
        class BlogConfig(AppConfig):
            name = "blog"
    """,
    "blog/words.py": """
        from pathlib import Path
        WORD = "words"
        DATA = Path(__file__).with_name("data.json").read_text()
    """,
    "blog/data.json": '{"a": 1}',
    "blog/models.py": """
        from django.db import models
        from .words import WORD
        class Post(models.Model):
            title = models.CharField(max_length=50, help_text=WORD)
    """,
    "blog/admin.py": """
        from django.contrib import admin
        from .models import Post
        admin.site.register(Post)
    """,
    "blog/views.py": """
        import os, time
        from django.conf import settings
        from django.http import HttpResponse, JsonResponse
        from django.shortcuts import render
        from . import models, words
        VERSION = "0000"
        def index(request):
            return HttpResponse(VERSION)
        def page(request):
            return render(request, "page.html", {"word": VERSION})
        def slow(request):
            (settings.BASE_DIR.parent / "slow began").touch()
            time.sleep(float(request.GET.get("for", "1")))
            return HttpResponse(VERSION)
        def debug(request):
            breakpoint()
            return HttpResponse(VERSION)
        def state(request):
            return JsonResponse({"version": VERSION, "pid": os.getpid(), "word": words.WORD, "data": words.DATA,
                                 "settings": settings.WORD, "run_main": os.environ.get("RUN_MAIN")})
    """,
    "shop/__init__.py": "",
    "shop/models.py": """
        from django.db import models
        class Item(models.Model):
            price = models.IntegerField()
    """,
    "shop/urls.py": """
        from django.urls import path
        from . import views
        urlpatterns = [path("", views.index)]
    """,
    "shop/views.py": """
        from django.http import HttpResponse
        def index(request):
            return HttpResponse("shop")
    """,
}

FILES = {name: dedent(text).lstrip("\n") for name, text in FILES.items()}


# Where the package is installed, as a wheel say, the tests use that one; else each site gets a copy.
IS_INSTALLED = bool(os.environ.get("FAST_RELOAD_INSTALLED"))

NOT_INHERITED = {"RUN_MAIN", "DJANGO_SETTINGS_MODULE"}


def copy_package(folder: Path) -> None:
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("tests", "bench", "__pycache__", "*.egg-info"))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Site:
    """The project, and at most one running server.

    files: that the project has besides FILES, or instead.
    """

    def __init__(self, root: Path, files: dict[str, str] | None = None):
        self.root = root
        self.port = free_port()
        self.python = sys.executable
        self.log = root.with_name(f"{root.name}.log")
        self.process = None
        self.address = ""
        self.files = FILES | (files or {})
        for name, text in self.files.items():
            self.write(name, text)
        if not IS_INSTALLED:
            copy_package(root / "django_fast_reload")

    def twin(self) -> "Site":
        """Return another server for the same files."""
        twin = copy(self)
        twin.port, twin.process, twin.log = free_port(), None, self.log.with_suffix(".twin.log")
        return twin

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def restore(self, *names: str) -> None:
        for name in names:
            self.write(name, self.files[name])

    def restore_all(self) -> None:
        for name in self.files:
            before = (self.root / name).read_text()
            self.restore(name)
            if (self.root / name).read_text() != before:
                self.get()

    def start(self, *arguments: str, command=None, wait: bool = True, **environment: str):
        command = command or [self.python, "manage.py"]
        self.launch([*command, "runserver", self.address or f"127.0.0.1:{self.port}", *arguments], environment)
        if wait:
            self.until(lambda: self.get("/__devserver__/status")[0] == 200 and self.is_settled(), 30)
        return self

    def launch(self, command: list[str], environment: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.root, env={**inherited, **environment}, stdout=log, stderr=log, start_new_session=True
            )

    def status(self) -> dict:
        return json.loads(self.get("/__devserver__/status")[1])

    def loads_since(self, generation: int) -> list[tuple[list[str], str]]:
        """Return (changed files, error) of each load after the given one."""
        return [(load["files"], load["error"]) for load in self.status()["history"] if load["generation"] > generation]

    def is_settled(self) -> bool:
        return self.status()["state"] != "loading"

    def get(self, path: str = "/", accept: str = "*/*", timeout: float = 20) -> tuple[int, bytes]:
        """Return status and body over a connection of its own; status 0 where it was refused or reset."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout) as sock:
                sock.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n".encode()
                )
                data = b""
                while part := sock.recv(65536):
                    data += part
        except (ConnectionError, TimeoutError):
            return 0, b""
        head, _, body = data.partition(b"\r\n\r\n")
        return (int(head.split(b" ")[1]) if head else 0), body

    def open(self, path: str, buffer: int = 0) -> socket.socket:
        """Ask for a page; return the connection, from which nothing has been read.

        buffer: bytes that it may hold unread; 0 for as many as usual.
        """
        sock = socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return sock

    def begin_slow(self, seconds: float) -> tuple[threading.Thread, list]:
        """Ask for a page that takes `seconds`; return, once its view runs, the thread and the list for the answer."""
        sign, answers = self.root.parent / "slow began", []
        sign.unlink(missing_ok=True)
        client = threading.Thread(target=lambda: answers.append(self.get(f"/slow?for={seconds}")), daemon=True)
        client.start()
        self.until(sign.exists)
        return client, answers

    def text(self, path: str = "/") -> str:
        return self.get(path)[1].decode()

    def until(self, condition, seconds: float = 10):
        end = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < end, f"not within {seconds} s; the server's log:\n{self.log.read_text()}"
            time.sleep(0.02)
        return result

    def family(self) -> list[int]:
        """Return the processes of the server's session."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[3]) == self.process.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        if self.process is None:
            return None
        process = self.process
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(5)
        finally:
            self.until(lambda: not self.family(), 5)
            self.process = None
