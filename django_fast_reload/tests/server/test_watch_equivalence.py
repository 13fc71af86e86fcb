"""After each random edit, what the watch knows of all tests is what pytest says that starts from nothing."""

import json
import os
import random
import re
import subprocess
import sys
import time

import pytest

from .site import FILES
from .watched_site import POSTGRES, TEST_FILES, WatchedSite

# Writes how each test went, and what was said of those that failed.
PROBE = """
import json, pathlib
from _fast_reload_failures import outcome_of
found = {"outcomes": {}, "texts": {}, "errors": {}}
def pytest_runtest_logreport(report):
    outcome = outcome_of(report)
    if outcome and (report.failed or report.nodeid not in found["texts"]):
        found["outcomes"][report.nodeid] = outcome
    if report.failed:
        found["texts"].setdefault(report.nodeid, report.longreprtext)
def pytest_collectreport(report):
    if report.failed:
        found["errors"][report.nodeid] = report.longreprtext
def pytest_sessionfinish():
    pathlib.Path(__file__).with_name("found.json").write_text(json.dumps(found))
"""
CONFTEST = """
import pytest
from blog import words
@pytest.fixture
def word():
    return words.WORD
@pytest.fixture(scope="session")
def expensive():
    return make()
def make():
    return words.shout("a")
"""
WORDS = """
import functools
from pathlib import Path
WORD = "words"
@functools.cache
def data():
    return Path(__file__).with_name("data.json").read_text()
def shout(text):
    '''
    >>> shout("a")
    'A'
    '''
    return text.upper()
"""
BLOG = """
import pytest
from blog.models import Post
from blog import words
@pytest.mark.parametrize("number", [1, 2, 3])
def test_number(number):
    assert number < 4
def test_word(word):
    assert word == "words"
def test_expensive(expensive):
    assert expensive == "A"
def test_expensive_again(expensive):
    assert expensive == "A"
def test_data():
    assert words.data() == '{"a": 1}'
def test_data_again():
    assert "1" in words.data()
def test_index(client):
    assert client.get("/").content == b"0000"
def test_lazy():
    from blog import lazy
    assert lazy.value() == 7
@pytest.mark.django_db
class TestPosts:
    def test_first(self):
        assert [post.title for post in Post.objects.all()] == ["first"]
    def test_made(self):
        assert Post.objects.create(title="x").pk == 2
@pytest.mark.xfail
def test_known():
    assert False
"""
SHOP = """
from django.test import LiveServerTestCase, TestCase, TransactionTestCase
from shop.helpers import Base
from urllib.request import urlopen
from shop.models import Item
class ShopTest(Base, TestCase):
    fixtures = ["items.json"]
    @classmethod
    def setUpTestData(cls):
        cls.price = Item.objects.get(pk=9).price
    def test_shop(self):
        self.assertEqual(self.client.get("/shop/").content, b"shop")
    def test_page(self):
        self.assertContains(self.client.get("/page"), "one")
    def test_price(self):
        self.assertEqual(self.price, 5)
class SlowTest(TransactionTestCase):
    def test_empty(self):
        self.assertEqual(Item.objects.count(), 0)
class LiveTest(LiveServerTestCase):
    def test_live(self):
        self.assertEqual(urlopen(self.live_server_url + "/").read(), b"0000")
"""
HELPERS = """
class Base:
    limit = 3
    def test_base(self):
        self.assertLess(self.limit, 4)
"""
ITEMS = '[{"model": "shop.item", "pk": 9, "fields": {"price": 5}}]'
SECOND = """
from django.db import migrations
def fill(apps, schema_editor):
    apps.get_model("blog", "Post").objects.update(title="second")
class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.RunPython(fill)]
"""
MODELS = FILES["shop/models.py"]
VIEWS = FILES["blog/views.py"]
SETTINGS = FILES["config/settings.py"] + (POSTGRES if "POSTGRES_HOST" in os.environ else "")
LAZY = "def value():\n    return 7\n"
STOP = "import pytest\n@pytest.fixture(autouse=True)\ndef stop(request):\n    assert 'shop' not in str(request.node)\n"
OPTIONS = TEST_FILES["pytest.ini"]
SHOUT = VIEWS.replace("HttpResponse(VERSION)", "HttpResponse(VERSION + '!')")
VARIANTS = {
    "conftest.py": [
        CONFTEST, None, CONFTEST.replace('shout("a")', 'shout("b")'), CONFTEST.replace("words.WORD", "'other'"),
        CONFTEST + "@pytest.fixture(autouse=True)\ndef often():\n    assert words.WORD\n", CONFTEST + "1 / 0\n",
    ],
    "shop/conftest.py": [None, STOP, "collect_ignore = ['tests.py']\n"],
    "blog/words.py": [
        WORDS, WORDS.replace('"words"', '"other"'), WORDS.replace(".upper()", ".title()"), WORDS.replace("'A'", "'B'"),
        WORDS.replace("def shout(text):", "def shout(text:"),
    ],
    "blog/data.json": ['{"a": 1}', '{"a": 2}', "none"],
    "blog/lazy.py": [LAZY, LAZY.replace("7", "8"), LAZY.replace("7", ")"), None],
    "blog/tests.py": [
        BLOG, BLOG.replace("[1, 2, 3]", "[1, 2, 5]"), BLOG.replace("number < 4", "number < 3"),
        BLOG.replace("def test_word", "def test_words"), BLOG.replace("import pytest", "import pytest, missing"),
        BLOG.replace("def test_data_again():", "def test_data_again(:"), "", None,
        BLOG + "def test_more():\n    print('printed')\n    assert words.shout('b') == 'A'\n",
    ],
    "blog/test_more.py": [None, "from blog.tests import test_index, words\ndef test_own():\n    assert words.WORD\n"],
    "shop/tests.py": [
        SHOP, SHOP.replace("TransactionTestCase):", "TestCase):"), SHOP.replace('"items.json"', '"none.json"'),
        SHOP.replace("price, 5", "price, 6"),
    ],
    "shop/helpers.py": [HELPERS, HELPERS.replace("limit = 3", "limit = 5"), HELPERS.replace("limit, 4", "limit, 1")],
    "shop/fixtures/items.json": [ITEMS, ITEMS.replace("5", "6"), "[", None],
    "shop/models.py": [MODELS, MODELS.replace("IntegerField()", "IntegerField(default=1)"), MODELS + "    1 / 0\n"],
    "shop/__init__.py": ["", "X = 1\n"],
    "blog/migrations/0002_second.py": [None, SECOND, SECOND.replace("second", "third"), SECOND + "1 / 0\n"],
    "blog/views.py": [
        VIEWS, SHOUT, VIEWS.replace('"0000"', '"0001"'), VIEWS.replace("def page(request):", "def page(request:"),
        VIEWS.replace("def slow", "import shop.views\ndef slow"),
    ],
    "shop/views.py": [FILES["shop/views.py"], FILES["shop/views.py"].replace('"shop"', '"SHOP"')],
    "shop/urls.py": [FILES["shop/urls.py"], FILES["shop/urls.py"].replace('path("",', 'path("all",')],
    "templates/page.html": ["<p>{{ word }} one</p>", "<p>{{ word }} two</p>", "{% if %}", '{% include "part.html" %}'],
    "templates/part.html": ["one", "two", None],
    "blog/templates/page.html": [None, "hidden"],
    "config/settings.py": [
        SETTINGS, SETTINGS.replace('"test"', '"other"'), SETTINGS + "DEBUG = 1 / 0\n",
        SETTINGS.replace('"templates"]', '"other"]'),
    ],
    "pytest.ini": [OPTIONS, f"{OPTIONS}addopts = --doctest-modules\n", f"{OPTIONS}addopts = -k 'not live'\n"],
}  # fmt: skip
RENAMES = [("blog/tests.py", "blog/test_renamed.py"), ("shop", "store"), ("templates/part.html", "templates/page.html")]


@pytest.fixture
def site(tmp_path):
    site = WatchedSite(tmp_path / "my site")
    package = site.root / "django_fast_reload"
    (site.root / "_fast_reload_failures.py").write_text(
        (package / "worker/failures.py").read_text().replace("from ..", "from django_fast_reload.")
    )
    site.write("probe_of_tests.py", PROBE)
    for name, texts in VARIANTS.items():
        if texts[0] is not None:
            site.write(name, texts[0])
    site.start("--ignore=django_fast_reload")
    yield site
    site.stop()


def seen(site) -> dict | None:
    """Return how all tests are once nothing goes on any more; None where no test can be run."""
    quiet = 0
    while quiet < 4:
        time.sleep(0.05)
        status = site.status()
        is_over = status["state"] == "broken" or (status["tests"] or {}).get("run") == status["generation"]
        quiet = quiet + 1 if is_over else 0
    if status["state"] == "broken":
        return None
    found = {"outcomes": status["outcomes"], "texts": {}, "errors": {}}
    for each in status["tests"]["failures"]:
        found["texts" if each["test"] in status["outcomes"] else "errors"][each["test"]] = each["text"]
    return found


def cold(site) -> dict | None:
    (site.root / "found.json").unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "pytest", "-p", "probe_of_tests", "--ignore=django_fast_reload", "-p", "no:xdist"]
    subprocess.run(command, cwd=site.root, env=environment, capture_output=True)
    try:
        return json.loads((site.root / "found.json").read_text())
    except FileNotFoundError:
        return None


def alike(found: dict) -> dict:
    """Return what was said, without addresses, ports and the frames of import.

    An error of a fixture that several tests have is told in full with the first of them.
    """
    said = {}
    for test, text in {**found["texts"], **found["errors"]}.items():
        text = re.sub(r"^<frozen importlib.*\n(?: .*\n)*", "", text, flags=re.M)
        text = re.sub(r"0x[0-9a-f]+|:\d{4,5}\b|test-\d+", "#", text)
        is_whole = found["outcomes"].get(test) != "error"
        said[test] = text[-4000:] if is_whole else re.findall("^E .*", text, re.M)
    return said


def test_resumed_and_fresh_runs_are_equal(site):
    chance = random.Random(os.environ.get("DEVSERVER_SEED", "1"))
    edited, is_red, ran = set(), False, 0
    for number in range(int(os.environ.get("DEVSERVER_TEST_EDITS", "12"))):
        is_fix = is_red and edited and chance.random() < 0.6
        name = chance.choice(sorted(edited) if is_fix else list(VARIANTS))
        text = VARIANTS[name][0] if is_fix else chance.choice(VARIANTS[name])
        edited.discard(name)
        if text != VARIANTS[name][0]:
            edited.add(name)
        if text is None:
            (site.root / name).unlink(missing_ok=True)
        else:
            site.write(name, text)
        note = f"edit {number}, {name}: {text!r}"

        resumed, fresh = seen(site), cold(site)

        assert (resumed is None) == (fresh is None), f"{note}\n{site.text()}"
        is_red = fresh is None or fresh["errors"] or fresh["texts"]
        if fresh is None:
            continue
        assert resumed["errors"].keys() == fresh["errors"].keys(), note
        if fresh["errors"]:
            resumed["texts"].clear()  # Nothing ran, so what is known of tests is from before.
        else:
            ran += 1
            assert resumed["outcomes"] == fresh["outcomes"], note
        assert alike(resumed) == alike(fresh), note
    assert ran > number / 3
