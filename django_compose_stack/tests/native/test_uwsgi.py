"""uWSGI in the place of Gunicorn: this project behind the uwsgi.conf.py of its service, without Nginx."""

import json
import shutil
import signal
import subprocess
import time

import pytest

from django_compose_stack.services import definition
from django_compose_stack.tests import ROOT
from django_compose_stack.tests.stack.checkout import wait_for
from django_fast_reload.tests.server.asgi_project import make_asgi_environment

from .conftest import NOT_COPIED
from .test_asgi import Gunicorn

UWSGI = definition.own()["uwsgi"]
SLOW = """

def slow(request):
    import time
    from django.http import HttpResponse
    time.sleep(float(request.GET.get("for", "0")))
    return HttpResponse("done")


urlpatterns.append(path("slow", slow))
"""


class Uwsgi(Gunicorn):
    started = "spawned uWSGI worker 2"

    def command(self, root, python):
        file = root / "uwsgi.conf.py"
        file.write_text(file.read_text().replace("0.0.0.0:8000", f"127.0.0.1:{self.port}"))
        return [python, file.name]

    def lines(self):
        """Return the lines of the access log that are complete."""
        return [json.loads(line) for line in self.log.read_text().splitlines(True) if line[0] + line[-1] == "{\n"]

    def begin(self, path):
        return subprocess.Popen(
            ["curl", "-s", f"http://localhost:{self.port}{path}"], stdout=subprocess.PIPE, text=True
        )


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return make_asgi_environment(tmp_path_factory.mktemp("uwsgi") / "env", *UWSGI.words("prod-packages"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("uwsgi") / "site"
    shutil.copytree(ROOT, root, ignore=NOT_COPIED)
    [text] = [block.text for block in UWSGI.blocks if block.place == "new"]
    (root / "uwsgi.conf.py").write_text(text)
    with (root / "config/urls.py").open("a") as urls:
        urls.write(SLOW)
    (root / "staticfiles").mkdir()
    return root


@pytest.fixture(scope="module")
def server(site, python):
    server = Uwsgi(site, python, WEB_CONCURRENCY="2")
    yield server
    server.stop()


def test_access_log_is_json_whatever_the_visitor_sends(server):
    header = ["--header", 'X-Request-ID: of "this" test', "--header", "X-Real-IP: 203.0.113.7"]
    assert "200 OK" in server.get("/healthz"), server.log.read_text()
    page = server.get('/slow?quote="\\&format=%(uri)', *header)

    [entry] = wait_for(server.lines, "the line")
    assert 0 <= entry.pop("ms") < 60_000
    assert entry.pop("time")
    assert entry == {
        "id": 'of "this" test',
        "client": "203.0.113.7",
        "method": "GET",
        "path": '/slow?quote="\\&format=%(uri)',
        "status": 200,
        "bytes": len(page.partition("\n\n")[2].encode()),
    }


def test_long_headers_that_nginx_passes_on_are_taken(server):
    headers = [word for number in range(4) for word in ("--header", f"X-Long-{number}: {'x' * 7900}")]

    assert "200 OK" in server.get("/healthz", *headers)


def test_worker_that_is_killed_is_replaced(server):
    pid = int(server.log.read_text().partition("spawned uWSGI worker 1 (pid: ")[2].partition(",")[0])
    subprocess.run(["kill", "-9", str(pid)], check=True)

    answers = [server.get("/slow").partition("\n")[0].strip() for _ in range(10)]

    assert set(answers) == {"HTTP/1.1 200 OK"}
    assert server.process.poll() is None


def test_reload_and_end_drop_no_request(server):
    """The last of these: it ends the server."""
    slow = server.begin("/slow?for=2")
    time.sleep(0.5)

    server.process.send_signal(signal.SIGHUP)
    answers = [server.get("/slow").partition("\n")[0].strip() for _ in range(60)]

    assert set(answers) == {"HTTP/1.1 200 OK"}
    assert slow.communicate()[0] == "done"
    assert server.log.read_text().count("spawned uWSGI master process") == 2
    slow = server.begin("/slow?for=2")
    time.sleep(0.5)

    server.process.send_signal(signal.SIGTERM)

    assert slow.communicate()[0] == "done"
    assert server.process.wait(15) == 0


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"WORKER_CLASS": "asgi"},
            "WORKER_CLASS has value 'asgi', and uWSGI serves WSGI alone. "
            "Fix: WORKER_CLASS=gthread, or Gunicorn: make remove SERVICE=uwsgi\n",
        ),
        ({"WEB_REPLICAS": "many"}, "WEB_REPLICAS has value 'many'. Expected a whole number from 1 to 1000.\n"),
    ],
)
def test_what_it_cannot_serve_is_refused_in_one_line(site, python, variables, message):
    environment = {"DEBUG": "false", "SECRET_KEY": "x" * 50, "ALLOWED_HOSTS": "localhost", **variables}

    done = subprocess.run([python, "uwsgi.conf.py"], cwd=site, env=environment, capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)
