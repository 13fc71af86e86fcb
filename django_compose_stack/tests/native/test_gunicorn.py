"""Gunicorn with production's gunicorn.conf.py, without Nginx: how its processes share the requests."""

import re
import shutil
import subprocess

import pytest

from django_compose_stack.tests import ROOT
from django_fast_reload.tests.server.asgi_project import make_asgi_environment

from .conftest import NOT_COPIED
from .test_asgi import Gunicorn

AT_ONCE = 8  # two processes of four threads each
MEETING = """

def meeting(request, name):
    \"\"\"Answer once eight requests of this name are there; after ten seconds say how many have come.\"\"\"
    import os, time
    from pathlib import Path
    from django.http import HttpResponse
    folder = Path(settings.BASE_DIR, "meeting", name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(time.time_ns())).touch()
    end = time.monotonic() + 10
    while (there := len(os.listdir(folder))) < 8 and time.monotonic() < end:
        time.sleep(0.01)
    return HttpResponse(str(there))


urlpatterns.append(path("meeting/<name>", meeting))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    wanted = re.search(r"^gunicorn==\S+", (ROOT / "requirements/prod.txt").read_text(), re.M)[0]
    python = make_asgi_environment(tmp_path_factory.mktemp("gunicorn") / "env", wanted)
    root = tmp_path_factory.mktemp("gunicorn") / "site"
    shutil.copytree(ROOT, root, ignore=NOT_COPIED)
    shutil.copy(ROOT / "django_compose_stack/scaffold/production/gunicorn.conf.py", root)
    with (root / "config/urls.py").open("a") as urls:
        urls.write(MEETING)
    server = Gunicorn(root, python, WEB_CONCURRENCY="2")
    yield server
    server.stop()


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_no_process_takes_a_request_that_another_could_begin(server, name):
    command = ["curl", "-s", "--retry", "5", "--retry-connrefused", f"http://localhost:{server.port}/meeting/{name}"]
    visitors = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(AT_ONCE)]

    answers = [visitor.communicate()[0] for visitor in visitors]

    assert answers == [str(AT_ONCE)] * AT_ONCE
