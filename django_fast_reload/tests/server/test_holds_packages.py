"""What holds with packages that start threads, open connections or change others when they are imported.

The docstrings are rows of a table in docs/reload.md: what was tried, and what holds.
"""

import shutil
import subprocess
import sysconfig

import pytest

from .asgi_project import AsgiSite, make_asgi_environment
from .environments import site_packages, uv
from .packages import CELERY, OPENTELEMETRY, SCHEDULER, SENTRY, TASKS, THREAD, TOOLBAR, TOOLBAR_URLS, PackageSite

PACKAGES = [
    "sentry-sdk[django]", "celery", "opentelemetry-sdk", "opentelemetry-instrumentation-django", "django-debug-toolbar",
    "django-browser-reload", "numpy", "grpcio", "pymongo", "APScheduler", "django-extensions", "Werkzeug",
    "uvicorn", "websockets",
]  # fmt: skip


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return make_asgi_environment(tmp_path_factory.mktemp("packages") / "env", *PACKAGES)


@pytest.fixture
def site(tmp_path, python):
    site = PackageSite(tmp_path / "my site", python)
    yield site
    site.stop()


def test_sentry(site):
    """sentry-sdk in the settings: all snapshots are taken, and a save of a view goes on from the view"""
    site.settings(SENTRY)
    site.start()
    site.save_a_view()
    assert site.begins_at() == "blog/views.py"


def test_celery(site):
    """celery, with tasks that it discovers: a changed task runs as it is now, and saves go on from themselves"""
    site.write("config/celery.py", CELERY)
    site.write("config/__init__.py", "from .celery import app\n")
    site.write("blog/tasks.py", TASKS)
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(VERSION if 0 else tasks.word.delay().get())")
    site.import_into_views("from . import tasks")
    site.start()
    for word in ("two", "three"):
        site.write("blog/tasks.py", TASKS.replace("one", word))
        assert site.text() == word
    assert site.begins_at() == "blog/tasks.py"


def test_opentelemetry(site):
    """opentelemetry that exports at once: all snapshots are taken"""
    site.settings(OPENTELEMETRY.format(processor="SimpleSpanProcessor"))
    site.start()
    site.save_a_view()
    assert site.begins_at() == "blog/views.py"


def test_opentelemetry_in_batches(site):
    """opentelemetry that exports in batches: saves begin before the settings that start it; the terminal says so"""
    site.settings(OPENTELEMETRY.format(processor="BatchSpanProcessor"))
    site.start()
    site.save_a_view()
    assert site.says(THREAD)
    assert site.begins_at().startswith("config/")


def test_debug_toolbar(site):
    """django-debug-toolbar: the page has its bar and our script, before and after a save"""
    site.settings(TOOLBAR)
    site.edit("config/urls.py", "urlpatterns = [", f"urlpatterns = [\n    {TOOLBAR_URLS}")
    site.write("templates/page.html", "<html><body>{{ word }}</body></html>")
    site.start()
    for number in range(3):
        page = site.text("/page")
        assert f"<body>{number:04}" in page
        assert 'id="djDebug"' in page
        assert page.count("/__devserver__/client.js") == 1
        site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
    assert site.begins_at() == "blog/views.py"


def test_together_by_asgi(tmp_path, python):
    """sentry-sdk, opentelemetry and django-debug-toolbar by ASGI: a save of an async view goes on from the view"""
    site = AsgiSite(tmp_path / "my site", python)
    with (site.root / "config/settings.py").open("a") as file:
        file.write(f"{SENTRY}{OPENTELEMETRY.format(processor='SimpleSpanProcessor')}{TOOLBAR}")
    site.edit("config/urls.py", "urlpatterns = [", f"urlpatterns = [\n    {TOOLBAR_URLS}")
    site.write("templates/page.html", "<html><body>{{ word }}</body></html>")
    try:
        site.start()
        for number in range(3):
            assert site.text("/later") == f"{number:04}"
            page = site.text("/page")
            assert 'id="djDebug"' in page
            assert page.count("/__devserver__/client.js") == 1
            site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
        assert site.connect().ask("hello") == "0003 hello"
        assert site.status()["history"][-1]["before"] == "blog/views.py"
    finally:
        site.stop()


def test_browser_reload(site):
    """django-browser-reload beside our script: saves are live; its stream keeps an old process for 30 seconds"""
    site.settings(
        'INSTALLED_APPS.append("django_browser_reload")\n'
        'MIDDLEWARE.append("django_browser_reload.middleware.BrowserReloadMiddleware")\n'
    )
    site.edit(
        "config/urls.py", "urlpatterns = [", 'urlpatterns = [\n    path("r/", include("django_browser_reload.urls")),'
    )
    site.start()
    with site.open("/r/events/") as stream, stream.makefile("rb") as file:
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        site.save_a_view()
        assert site.begins_at() == "blog/views.py"
        site.write("templates/page.html", "<p>{{ word }} two</p>")
        assert site.text("/page") == "<p>0002 two</p>"


@pytest.mark.parametrize("threads", [1, 4])
def test_numpy(site, threads):
    """numpy: saves begin before it, and the terminal says so; `OPENBLAS_NUM_THREADS=1` avoids both"""
    site.write("blog/models.py", f"import numpy\n{site.files['blog/models.py']}")
    site.start(OPENBLAS_NUM_THREADS=str(threads))
    site.save_a_view()
    assert site.says(THREAD) == (threads > 1)
    assert site.begins_at() == ("blog/models.py" if threads > 1 else "blog/views.py")


def test_grpc(site):
    """grpcio, with a channel that a module opens: saves begin before that module, and the terminal says so"""
    site.write("blog/channel.py", "import grpc\nCHANNEL = grpc.insecure_channel('127.0.0.1:9')\n")
    site.import_into_views("from . import channel")
    site.start()
    site.save_a_view()
    assert site.says(THREAD)
    assert site.begins_at() == "blog/views.py"


def test_mongo(site):
    """pymongo, with a client that a module makes: saves begin before that module, and the terminal says so"""
    site.write("blog/base.py", "import pymongo\nCLIENT = pymongo.MongoClient('mongodb://127.0.0.1:9')\n")
    site.edit("blog/models.py", "from django.db", "from . import base\nfrom django.db")
    site.start()
    site.save_a_view()
    assert site.says(THREAD)
    assert site.begins_at() in ("blog/base.py", "blog/models.py")


def test_scheduler(site):
    """APScheduler, started in `ready()`: each process runs its jobs with the code that it has"""
    site.edit("blog/apps.py", 'name = "blog"', f'name = "blog"\n    def ready(self):{SCHEDULER}')
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(' '.join(apps.get_app_config('blog').runs[-1:]))")
    site.import_into_views("from django.apps import apps")
    site.start()
    site.until(lambda: site.text() == "words")

    site.edit("blog/words.py", '"words"', '"other"')

    assert site.until(lambda: site.text()) == "other"
    assert site.says(THREAD)


def test_runserver_plus(site):
    """django-extensions: `runserver_plus` is Werkzeug's server as ever, `runserver` the fast one"""
    site.settings('INSTALLED_APPS.append("django_extensions")\n')
    command = ["sh", "-c", 'shift; exec "$0" manage.py runserver_plus "$@"', site.python]
    site.start(command=command, wait=False)
    site.until(lambda: site.get() == (200, b"0000"), 30)
    assert site.get("/__devserver__/status")[0] == 404
    site.stop()

    site.start()
    site.save_a_view()
    assert site.begins_at() == "blog/views.py"


def test_compiled_module(site, tmp_path):
    """A compiled module of the project (Cython, C, Rust): a new build is live, in place of the old one or over it"""
    versions = ("5.11.0", "5.12.0")
    for version in versions:
        uv("pip", "install", "--quiet", "--target", tmp_path / version, f"ujson=={version}", "--python", site.python)
    name = f"ujson{sysconfig.get_config_var('EXT_SUFFIX')}"
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(ujson.__version__)")
    site.import_into_views("import ujson")
    shutil.copy(tmp_path / versions[0] / name, site.root)
    site.start()
    assert site.text() == versions[0]

    for version in (versions[1], versions[0]):
        shutil.copy(tmp_path / version / name, site.root / "new")
        (site.root / "new").rename(site.root / name)
        assert site.text() == version
    for version in (versions[1], versions[0]):
        shutil.copyfile(tmp_path / version / name, site.root / name)
        assert site.text() == version


def test_editable_install(site, tmp_path):
    """A package that is installed in editable mode: it counts as the project's, and a save of it is live"""
    package = tmp_path / "library"
    (package / "words_of_mine").mkdir(parents=True)
    (package / "words_of_mine/__init__.py").write_text("WORD = 'one'\n")
    (site_packages(site.python) / "library.pth").write_text(f"{package}\n")
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(words_of_mine.WORD)")
    site.import_into_views("import words_of_mine")
    site.start()
    for word in ("two", "three"):
        (package / "words_of_mine/__init__.py").write_text(f"WORD = {word!r}\n")
        assert site.text() == word
    subprocess.run(["rm", site_packages(site.python) / "library.pth"], check=True)
