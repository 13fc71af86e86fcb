"""The projects that reload.py edits: one generated, one a copy of this checkout."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS, MODULES = 30, 10  # own apps, and modules in each
MIDDLE = f"own{APPS // 2}"  # the app whose files are edited: as many are loaded before it as after it

PACKAGES = [
    "django>=6.0,<6.2",
    "django-watchfiles",
    "djangorestframework",
    "django-filter",
    "django-extensions",
    "django-crispy-forms",
    "crispy-bootstrap5",
    "django-allauth",
    "django-cors-headers",
    "django-import-export",
    "django-taggit",
    "django-mptt",
    "django-simple-history",
    "django-guardian",
    "django-model-utils",
    "django-reversion",
    "django-treebeard",
    "django-widget-tweaks",
    "drf-spectacular",
    "django-debug-toolbar",
    "django-htmx",
    "django-axes",
    "django-ipware",
    "whitenoise",
    "uvicorn",
    "websockets",
    "daphne",
]

THIRD_PARTY = [
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "django_extensions",
    "crispy_forms",
    "crispy_bootstrap5",
    "allauth",
    "allauth.account",
    "corsheaders",
    "import_export",
    "taggit",
    "mptt",
    "simple_history",
    "guardian",
    "model_utils",
    "reversion",
    "treebeard",
    "widget_tweaks",
    "drf_spectacular",
    "debug_toolbar",
    "django_htmx",
    "axes",
]

SETTINGS = """
import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
BENCH = 0
SECRET_KEY = "bench"
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
APPS = {{"watchfiles": ["django_watchfiles"], "this": ["django_fast_reload"], "daphne": ["daphne"],
    "this, ASGI": ["django_fast_reload", "daphne"]}}
SERVER = APPS.get(os.environ["BENCH_SERVER"], [])
INSTALLED_APPS = [*SERVER, "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles", "django.contrib.sites",
    *{third_party}, *{own}]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
    "corsheaders.middleware.CorsMiddleware", "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware", "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware", "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware"]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE_DIR / "templates"],
    "APP_DIRS": True, "OPTIONS": {{"context_processors": ["django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages"]}}}}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
SILENCED_SYSTEM_CHECKS = ["debug_toolbar.W001", "guardian.W001", "account.W001"]
"""

URLS = """
from django.contrib import admin
from django.urls import include, path
from django.utils.module_loading import import_string
urlpatterns = [path("admin/", admin.site.urls), path("accounts/", include("allauth.urls")), {before},
    path("bench", import_string("{middle}.views.bench"), {{"number": 0}}),
    path("later", import_string("{middle}.views.later")), path("events", import_string("{middle}.views.events")),
    {after}]
"""

ASGI = """
from django.core.asgi import get_asgi_application
django = get_asgi_application()
from {middle} import views
async def application(scope, receive, send):
    if scope["type"] == "http":
        return await django(scope, receive, send)
    if scope["type"] != "websocket":
        raise ValueError(scope["type"])
    await receive()
    await send({{"type": "websocket.accept"}})
    while (await receive())["type"] == "websocket.receive":
        await send({{"type": "websocket.send", "text": str(views.LATER)}})
"""

BENCH_VIEW = """
from django.conf import settings
from django.http import JsonResponse
from django.template.loader import render_to_string
{imports}
NUMBER = 0
def bench(request, number):
    return JsonResponse({{"view": NUMBER, "url": number, "settings": settings.BENCH, "model": {model},
                         "template": int(render_to_string("bench/page.html", request=request))}})
"""

ASYNC_VIEWS = """
import asyncio
from django.http import StreamingHttpResponse
LATER = 0
async def later(request):
    return JsonResponse({"async view": LATER})
async def events(request):
    async def stream():
        while True:
            yield f"data: {LATER}\\n\\n"
            await asyncio.sleep(0.01)
    return StreamingHttpResponse(stream(), content_type="text/event-stream")
"""

MODEL = """
from django.db import models
from . import service0
class {name}(models.Model):
    BENCH = 0
    title = models.CharField(max_length=100)
    made = models.DateTimeField(auto_now_add=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE)
"""

OWN = {
    "__init__.py": "",
    "models.py": MODEL,
    "admin.py": "from django.contrib import admin\nfrom .models import {name}\nadmin.site.register({name})\n",
    "forms.py": "from django import forms\nfrom .models import {name}\nclass Form(forms.ModelForm):\n    class Meta:\n"
    "        model = {name}\n        fields = ['title']\n",
    "serializers.py": "from rest_framework import serializers\nfrom .models import {name}\n"
    "class Serializer(serializers.ModelSerializer):\n    class Meta:\n        model = {name}\n"
    "        fields = ['title']\n",
    "views.py": "from rest_framework import viewsets\nfrom . import forms, serializers\nfrom .models import {name}\n"
    "class View(viewsets.ModelViewSet):\n    queryset = {name}.objects.all()\n"
    "    serializer_class = serializers.Serializer\n",
    "urls.py": "from rest_framework.routers import DefaultRouter\nfrom . import views\nrouter = DefaultRouter()\n"
    "router.register('items', views.View)\nurlpatterns = router.urls\n",
}

FILES = {
    "view": (f"{MIDDLE}/views.py", "NUMBER = {}\n"),
    "template": ("templates/bench/page.html", "{}"),
    "url": ("config/urls.py", '"number": {}}}'),
    "model": (f"{MIDDLE}/models.py", "BENCH = {}\n"),
    "settings": ("config/settings.py", "BENCH = {}\n"),
}
ASYNC_VIEW = {"async view": (f"{MIDDLE}/views.py", "LATER = {}\n")}
STREAMS = {"websocket": ASYNC_VIEW["async view"], "events": ASYNC_VIEW["async view"]}  # see streams.py
NATIVE_SERVERS = {
    "stock": FILES | ASYNC_VIEW,
    "watchfiles": FILES | ASYNC_VIEW,
    "this": FILES | ASYNC_VIEW,
    "daphne": FILES | ASYNC_VIEW | STREAMS,
    # It watches no templates, and Django keeps those that it has loaded.
    "uvicorn": {kind: file for kind, file in FILES.items() if kind != "template"} | ASYNC_VIEW | STREAMS,
    "this, ASGI": FILES | ASYNC_VIEW | STREAMS,
}
COMMANDS = {"uvicorn": "-m uvicorn config.asgi:application --reload --host 127.0.0.1 --port {port}"}
RUNSERVER = "manage.py runserver 127.0.0.1:{port}"


def environment(folder: Path, python: str) -> Path:
    """Make an environment with the third-party apps; return its interpreter."""
    if not folder.exists():
        subprocess.run(["uv", "venv", "--quiet", "--python", python, folder], check=True)
        command = [
            "uv",
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            folder / "bin/python",
            *PACKAGES,
        ]
        subprocess.run(command, check=True)
    return folder / "bin/python"


def generate(root: Path) -> Path:
    """Write a project of some 300 modules."""
    shutil.rmtree(root, ignore_errors=True)
    own = [f"own{number}" for number in range(APPS)]
    routes = [f"path('{app}/', include('{app}.urls'))" for app in own]
    files = {
        "manage.py": "import os, sys\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')\n"
        "if os.environ.get('BENCH_SERVER', '').startswith('this'):\n"
        "    from django_fast_reload import take_over\n    take_over(sys.argv)\n"
        "from django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n",
        "config/__init__.py": "",
        "config/asgi.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')\n"
        + ASGI.format(middle=MIDDLE),
        "config/settings.py": SETTINGS.format(third_party=THIRD_PARTY, own=own),
        "config/urls.py": URLS.format(
            before=", ".join(routes[: APPS // 2]), middle=MIDDLE, after=", ".join(routes[APPS // 2 :])
        ),
        "templates/bench/page.html": "0",
    }
    for app in own:
        files |= {f"{app}/{name}": text.format(name=app.capitalize()) for name, text in OWN.items()}
        services = MODULES - len(OWN)
        for number in range(services):
            inner = f"from . import service{number + 1}\n" if number + 1 < services else ""
            body = "\n".join(f"def step{step}(value):\n    return [value, {step}]\n" for step in range(30))
            files[f"{app}/service{number}.py"] = inner + body
    bench = BENCH_VIEW.format(imports="", model=f"{MIDDLE.capitalize()}.BENCH")
    files[f"{MIDDLE}/views.py"] += bench + ASYNC_VIEWS
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.lstrip("\n"))
    ignored = shutil.ignore_patterns("tests", "bench", "__pycache__")
    shutil.copytree(ROOT / "django_fast_reload", root / "django_fast_reload", ignore=ignored)
    return root


def compose_copy(root: Path) -> Path:
    """Copy this checkout, with one more page that carries the numbers."""
    shutil.rmtree(root, ignore_errors=True)
    ignored = shutil.ignore_patterns(".git", ".venv", ".postgres", "__pycache__", ".env")
    shutil.copytree(ROOT, root, ignore=ignored)
    text = BENCH_VIEW.format(imports="from apps.pages import models", model="getattr(models, 'BENCH', 0)")
    text = text.replace("settings.BENCH", "0").replace('int(render_to_string("bench/page.html", request=request))', "0")
    (root / "bench_views.py").write_text(text.lstrip("\n"))
    with (root / "config/urls.py").open("a") as file:
        file.write('\nimport bench_views\nurlpatterns.insert(0, path("bench", bench_views.bench, {"number": 0}))\n')
    return root


def stock(root: Path) -> dict:
    return use(root, "stock")


def this(root: Path) -> dict:
    return use(root, "")


def use(root: Path, server: str) -> dict:
    """Choose the server by the variable that any user would set."""
    (root / "compose.override.yaml").write_text(f"services:\n  web:\n    environment:\n      DEVSERVER: '{server}'\n")
    return {"view": ("bench_views.py", "NUMBER = {}\n"), "url": FILES["url"]}


COMPOSE_SERVERS = {"stock": stock, "this": this}
