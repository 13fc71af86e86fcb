"""What a resumed process is made of equals what a fresh process is made of, whatever was edited before.

DEVSERVER_EDITS sets how many random edits are compared, DEVSERVER_SEED which.
"""

import json
import os
import random
import re

import pytest

from .asgi_project import ASGI, SOCKETS
from .site import FILES, Site

PROBE = """
import sys, weakref
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core import checks
from django.db.models import signals
from django.http import JsonResponse
from django.template import engines
from django.urls import get_resolver

def name(thing):
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__name__)}"

def receivers(signal):
    found = [entry[1]() if isinstance(entry[1], weakref.ReferenceType) else entry[1] for entry in signal.receivers]
    return [name(receiver) for receiver in found]

def patterns(resolver):
    return [[str(p.pattern), name(p.callback) if hasattr(p, "callback") else patterns(p)]
            for p in resolver.url_patterns]

def own(module):
    path = getattr(module, "__file__", None) or ""
    return path.startswith(str(settings.BASE_DIR)) and "fast_reload" not in path

def constants(module):
    return {key: repr(value) for key, value in sorted(vars(module).items()) if isinstance(value, (int, str, list))
            and not key.startswith("__")}

def probe(request):
    modules = {key: module for key, module in list(sys.modules.items()) if own(module)}
    return JsonResponse({
        "apps": [[c.label, name(type(c)), str(c.path)] for c in apps.get_app_configs()],
        "models": [[m._meta.label, [[f.name, name(type(f)), repr(getattr(f, "deconstruct", tuple)()[1:])]
                   for f in m._meta.get_fields()]] for m in apps.get_models(include_auto_created=True)],
        "admin": [[m._meta.label, name(type(a)), repr(a.list_display)] for m, a in admin.site._registry.items()],
        "signals": {key: receivers(value) for key, value in vars(signals).items() if hasattr(value, "receivers")},
        "urls": patterns(get_resolver()),
        "libraries": {key: sorted(value.tags) for key, value in engines["django"].engine.template_libraries.items()},
        "tags": sorted(key for library in engines["django"].engine.template_builtins for key in library.tags),
        "checks": [str(message) for message in checks.run_checks()],
        "settings": {key: repr(getattr(settings, key)) for key in dir(settings) if key.isupper()},
        "modules": [[key, module.__file__, constants(module)] for key, module in modules.items()],
        "path": sys.path,
        "main": sys.modules["__main__"].__file__,
    })
"""

# The texts that each file may have; None for no file at all.
VARIANTS = {
    "config/settings.py": [
        FILES["config/settings.py"],
        FILES["config/settings.py"].replace('"settings"', '"other"'),
        FILES["config/settings.py"].replace('"blog", "shop"', '"shop", "blog", "django.contrib.sites"'),
        FILES["config/settings.py"].replace('"blog", "shop"', '"blog.apps.BlogConfig", "shop"'),
    ],
    "config/urls.py": [
        FILES["config/urls.py"],
        FILES["config/urls.py"].replace(
            'path("slow", views.slow),', 'path("slower", views.slow), path("x", views.page),'
        ),
        FILES["config/urls.py"].replace(
            "from blog import views", "from shop import views as other\nfrom blog import views"
        ),
    ],
    "config/__init__.py": ["", "NAME = 'config'", "import shop\nNAME = 'config with shop'"],
    "blog/models.py": [
        FILES["blog/models.py"],
        FILES["blog/models.py"].replace("max_length=50", "max_length=60"),
        FILES["blog/models.py"] + "\nclass Tag(models.Model):\n    posts = models.ManyToManyField(Post)\n",
        FILES["blog/models.py"].replace("class Post", "class Old(models.Model):\n    pass\nclass Post"),
        FILES["blog/models.py"].replace("class Post(", "class Post(  # broken"),
    ],
    "blog/words.py": [FILES["blog/words.py"], FILES["blog/words.py"].replace('"words"', '"longer help"'), "1 / 0"],
    "blog/data.json": ['{"a": 1}', '{"a": 2}', '{"a": 3}', None],
    "blog/admin.py": [
        FILES["blog/admin.py"],
        None,
        FILES["blog/admin.py"].replace("register(Post)", "register(Post, list_display=['title'])"),
        "from shop import models",
    ],
    "blog/apps.py": [
        FILES["blog/apps.py"],
        FILES["blog/apps.py"] + "\n    def ready(self):\n        from . import receivers\n",
        None,
    ],
    "blog/receivers.py": [
        "from django.db.models.signals import post_save\ndef one(**kwargs): pass\npost_save.connect(one)",
        "from django.db.models.signals import post_save, pre_save\ndef one(**kwargs): pass\npost_save.connect(one)\n"
        "pre_save.connect(one)",
    ],
    "blog/templatetags/__init__.py": ["", None],
    "blog/templatetags/words.py": [
        "from django import template\nregister = template.Library()\n",
        "from django import template\nfrom blog import words\nregister = template.Library()\nN = 2",
        None,
    ],
    "blog/views.py": [
        FILES["blog/views.py"],
        FILES["blog/views.py"].replace("0000", "0001"),
        FILES["blog/views.py"].replace("def slow", "import shop.views\ndef slow"),
        FILES["blog/views.py"].replace("def slow", "import missing.module\ndef slow"),
    ],
    "shop/models.py": [
        FILES["shop/models.py"],
        FILES["shop/models.py"].replace("price", "cost"),
        FILES["shop/models.py"] + "    post = models.ForeignKey('blog.Post', models.CASCADE)\n",
    ],
    "shop/admin.py": [None, "from django.contrib import admin\nfrom .models import Item\nadmin.site.register(Item)"],
    "shop/checks.py": [None, "X = 1"],
    "shop/apps.py": [
        None,
        "from django.apps import AppConfig\nfrom django.core import checks\nclass ShopConfig(AppConfig):\n"
        "    name = 'shop'\n    def ready(self):\n"
        "        checks.register(lambda app_configs, **kwargs: [checks.Warning('shop says so', id='shop.W001')])\n",
    ],
    "missing/module.py": [None, "HERE = 1"],
    "shop/urls.py": [FILES["shop/urls.py"], FILES["shop/urls.py"].replace('path("",', 'path("all",')],
    "manage.py": [FILES["manage.py"], FILES["manage.py"].replace("import os, sys", "import os, sys, shop")],
}


URLS = ("urlpatterns = [", "import probe\nurlpatterns = [\n    path('probe', probe.probe),")
VARIANTS["config/urls.py"] = [text.replace(*URLS) for text in VARIANTS["config/urls.py"]]
OPTIONAL = [name for name, texts in VARIANTS.items() if None in texts and name not in FILES]


# The routing of an ASGI application: what it imports is loaded before the URLconf.
IS_ASGI = 'ASGI_APPLICATION = "config.asgi.application"\nDEVSERVER_ASGI = True\n'
VARIANTS_OF_ASGI = {
    "config/settings.py": [text + IS_ASGI for text in VARIANTS["config/settings.py"]],
    "config/asgi.py": [ASGI, ASGI.replace("import sockets", "import sockets, views as loaded"), ASGI + "1 / 0\n"],
    "blog/sockets.py": [
        SOCKETS,
        SOCKETS + "WORD = 'more'\n",
        SOCKETS.replace("import os", "import os, shop.models"),
        SOCKETS.replace("async def echo", "def early(: pass\nasync def echo"),
        SOCKETS.replace("        while True:", "        raise ValueError('no start')"),
    ],
}


@pytest.fixture(params=["wsgi", "asgi"])
def variants(request):
    return VARIANTS if request.param == "wsgi" else VARIANTS | VARIANTS_OF_ASGI


@pytest.fixture
def site(tmp_path, variants, request):
    site = Site(tmp_path / "my site")
    if variants is not VARIANTS:
        site.python = request.getfixturevalue("asgi_python")
    site.write("probe.py", PROBE)
    for name, texts in variants.items():
        if name not in OPTIONAL:
            site.write(name, texts[0])
    yield site.start()
    site.stop()


@pytest.fixture
def cold(site):
    """A second server on the same files, which starts from nothing each time."""
    twin = site.twin()
    yield twin.start()
    twin.stop()


def seen(site) -> tuple:
    """Return what the process is made of, or its error."""
    status, body = site.get("/probe")
    body = re.sub(rb" at 0x[0-9a-f]+", b"", body)
    return (status, json.loads(body)) if status == 200 else (status, body.decode().splitlines()[0])


def test_resumed_and_fresh_processes_are_equal(site, cold, variants):
    chance = random.Random(os.environ.get("DEVSERVER_SEED", "1"))
    loaded, edited, broken = 0, set(), False
    for number in range(int(os.environ.get("DEVSERVER_EDITS", "30"))):
        # Errors are edits too, but most are fixed soon: else the project would be broken most of the time.
        is_fix = broken and edited and chance.random() < 0.8
        name = chance.choice(sorted(edited) if is_fix else list(variants))
        text = variants[name][0] if is_fix else chance.choice(variants[name])
        edited.discard(name)
        if text != variants[name][0]:
            edited.add(name)
        if text is None:
            (site.root / name).unlink(missing_ok=True)
        else:
            site.write(name, text)

        resumed = seen(site)
        cold.stop()
        cold.start()
        fresh = seen(cold)

        assert resumed[0] == fresh[0], f"edit {number}, {name}: {resumed[1]} instead of {fresh[1]}"
        broken = fresh[0] != 200
        if broken:
            assert resumed[1] == fresh[1], f"edit {number}, {name}"
            continue
        loaded += 1
        for part in fresh[1]:
            assert resumed[1][part] == fresh[1][part], f"edit {number}, {name}, {part}"
    assert loaded > number / 3
