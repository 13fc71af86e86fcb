"""One line in the settings of a project as `startproject` makes it."""

import os
import subprocess
import sys

import pytest

from .site import Site

VIEW = """
from django.http import HttpResponse
VERSION = "0000"
urlpatterns.append(path("", lambda request: HttpResponse(VERSION)))
"""


@pytest.fixture
def stock(tmp_path):
    site = Site(tmp_path / "stock")
    for path in (site.root / "manage.py", site.root / "config"):
        path.rename(tmp_path / path.name)
    subprocess.run([sys.executable, "-m", "django", "startproject", "config", "."], cwd=site.root, check=True)
    with (site.root / "config/urls.py").open("a") as file:
        file.write(VIEW)
    yield site
    site.stop()


def test_a_stock_project(stock):
    site = stock
    site.edit("config/settings.py", "INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "django_fast_reload",')
    site.start()
    assert site.text() == "0000"
    for number in range(5):
        site.edit("config/urls.py", f'"{number:04}"', f'"{number + 1:04}"')
        assert site.text() == f"{number + 1:04}"

    site.edit("config/settings.py", "DEBUG = True", "DEBUG = Tru")
    assert "NameError: name 'Tru' is not defined" in site.text()
    site.edit("config/settings.py", "DEBUG = Tru", "DEBUG = True")
    assert site.text() == "0005"
    assert site.get("/admin/")[0] == 302
    assert site.status()["generation"] == 8


def test_a_wrong_order_is_an_error(stock):
    stock.edit(
        "config/settings.py", "'django.contrib.staticfiles',", "'django.contrib.staticfiles', 'django_fast_reload',"
    )

    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=stock.root, env={**os.environ, "RUN_MAIN": ""}, capture_output=True, text=True)

    assert done.returncode == 1
    assert 'move "django_fast_reload" to the line before "django.contrib.staticfiles"' in done.stderr
