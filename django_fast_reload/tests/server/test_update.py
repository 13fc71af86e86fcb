"""Another version of the package itself is installed while its server runs."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from .environments import UV, build_wheel, make_environment, set_version, site_packages, source_copy, uv
from .site import IS_INSTALLED

pytestmark = pytest.mark.skipif(IS_INSTALLED, reason="the package is installed already")

# The versions of the code that runs, here and in the process that answers.
VERSIONS = """
def versions(request):
    import sys
    own = {module.VERSION for name, module in sys.modules.items() if name.endswith("fast_reload.package")}
    return JsonResponse({"versions": sorted(own), "server": sys.modules["_fast_reload.worker.server"].MARK})
"""
MARK = '\nMARK = "{}"\n'


class Update:
    """A server of version A in an environment of its own, and version B to install.

    wheels: install with uv; else a stand-in for it copies folders, which is faster.
    """

    def __init__(self, site, folder, wheels=False):
        self.site, self.folder = site, folder
        self.python = make_environment(folder / "env")
        shutil.rmtree(site.root / "django_fast_reload")
        self.place = site_packages(self.python) / "django_fast_reload"
        sources = {name: self.make(name) for name in "AB"}
        self.locks = {"A": "A", "B": "B"}
        if wheels:
            built = {name: build_wheel(source, folder / f"{name} wheel") for name, source in sources.items()}
            self.locks = {name: path.as_uri() for name, path in built.items()}
            uv("pip", "install", "--quiet", "--no-deps", "--python", self.python, built["A"])
        else:
            shutil.copytree(sources["A"], self.place)
            self.write_installer()
        self.install("A")
        site.edit("blog/views.py", "def index(request):", VERSIONS.lstrip() + "def index(request):")
        site.edit("config/urls.py", 'path("slow"', 'path("versions", views.versions), path("slow"')
        path = f"{Path(UV).parent}:{os.environ['PATH']}" if UV else os.environ["PATH"]
        site.start(command=[str(self.python), "manage.py"], DEVSERVER_REQUIREMENTS="requirements.txt", PATH=path)

    def make(self, name):
        source = source_copy(self.folder / name)
        set_version(source, f"1.0.0+{name.lower()}")
        with (source / "worker/server.py").open("a") as file:
            file.write(MARK.format(name))
        return source

    def write_installer(self):
        uv = self.python.with_name("uv")
        uv.write_text(f"""#!{sys.executable}
import pathlib, shutil, sys
[name] = pathlib.Path(sys.argv[-1]).read_text().split()
place = pathlib.Path({str(self.place)!r})
shutil.rmtree(place)
shutil.copytree(pathlib.Path({str(self.folder)!r}) / name / "django_fast_reload", place)
""")
        uv.chmod(0o755)

    def install(self, name):
        self.site.write("requirements.txt", f"{self.locks[name]}\n")

    def running(self):
        """Return (version of the supervisor, versions in the worker, version of the worker's server)."""
        worker = json.loads(self.site.text("/versions"))
        return self.site.status()["package"], worker["versions"], worker["server"]

    def is_running(self, name):
        version = f"1.0.0+{name.lower()}"
        return self.running() == (version, [version], name)


@pytest.fixture
def update(fresh_site, tmp_path, request):
    return Update(fresh_site, tmp_path, getattr(request, "param", False))


@contextmanager
def steady_requests(site):
    """Ask over and over; yield the list of (status, body) that were not as they should be."""
    ended, wrong = threading.Event(), []

    def ask():
        while not ended.is_set():
            answer = site.get()
            if answer != (200, b"0000"):
                wrong.append(answer)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        yield wrong
    finally:
        ended.set()
        for client in clients:
            client.join()


@pytest.mark.parametrize("update", [False, True], ids=["folders", "wheels"], indirect=True)
def test_supervisor_and_worker_change_together_and_no_request_fails(update):
    site, supervisor = update.site, update.site.process.pid
    assert update.is_running("A")
    with socket.create_connection(("127.0.0.1", site.port), 20) as early, steady_requests(site) as wrong:
        client, slow = site.begin_slow(3)

        update.install("B")

        site.until(lambda: update.is_running("B"), 30)
        early.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert early.makefile("rb").read().endswith(b"\r\n\r\n0000")
        client.join()
    assert wrong == []
    assert slow == [(200, b"0000")]
    assert site.process.pid == supervisor
    assert site.process.poll() is None
    assert "Another version of django_fast_reload was installed: switching to it." in site.log.read_text()


def test_after_an_update_it_reloads_and_ends_as_before(update):
    site = update.site
    for name in ("B", "A"):
        update.install(name)
        site.until(lambda name=name: update.is_running(name), 30)

    site.edit("blog/views.py", '"0000"', '"0001"')
    assert site.text() == "0001"
    site.edit("config/settings.py", "DEBUG = True", "DEBUG = Tru")
    assert "NameError: name 'Tru' is not defined" in site.text()
    site.edit("config/settings.py", "DEBUG = Tru", "DEBUG = True")
    assert site.text() == "0001"

    assert site.stop() == 0
    assert "Traceback" not in site.log.read_text()


def test_an_update_by_hand_is_noticed_at_the_next_change(update):
    """Nobody told the supervisor; it must not load a worker of another version."""
    site = update.site
    shutil.rmtree(update.place)
    shutil.copytree(update.folder / "B/django_fast_reload", update.place)
    assert update.running()[0] == "1.0.0+a"

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    assert update.is_running("B")


def test_a_version_that_can_not_run_is_not_switched_to(update):
    site = update.site
    path = update.place / "supervisor/main.py"
    path.with_name("new.py").write_text("1 / 0\n")
    path.with_name("new.py").rename(path)

    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    assert update.running()[0] == "1.0.0+a"


def test_a_worker_of_another_version_ends_before_it_loads_the_project(update):
    """It compares digests first: between the supervisor's look and the start of the worker files may change."""
    command = [str(update.python), str(update.place), "load"]
    what = {"fd": 0, "journal": 1, "package_digest": "other", "root": "/", "as_module": False, "argv": ["manage.py"]}
    with socket.socketpair()[0] as sock:
        what |= {"fd": sock.fileno(), "journal": sock.fileno()}
        done = subprocess.run([*command, json.dumps(what)], pass_fds=[sock.fileno()], capture_output=True, timeout=20)

    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


def test_a_package_that_is_gone_is_said(update):
    site = update.site
    manage = (site.root / "manage.py").read_text()
    update.place.rename(update.folder / "gone")

    (site.root / "manage.py").write_text(f"{manage}# 1\n")

    site.until(lambda: site.status()["state"] == "broken")
    assert site.status()["failure"]["title"] == f"django_fast_reload is no longer at {update.place}. Install it again."
    (update.folder / "gone").rename(update.place)
    (site.root / "manage.py").write_text(f"{manage}# 2\n")
    site.until(lambda: site.get() == (200, b"0000"))
