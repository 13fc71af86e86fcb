"""Open pages in a real Chromium: they follow the code, and keep what was typed where they can."""

import os
import shutil

import pytest

from ...supervisor.verdicts import Announcer
from .site import Site

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if not CHROMIUM:
    pytest.skip("there is no Chromium; CHROMIUM may name one", allow_module_level=True)

PAGE = """<!doctype html><html><head><link rel="stylesheet" href="/static/site.css"></head>
<body><p>{{ word }} one</p><form method="post"><input id="name" name="name"><button>Send</button></form></body></html>
"""
POLICY = """
def middleware(get_response):
    def handle(request):
        response = get_response(request)
        response["Content-Security-Policy"] = request.GET.get("policy", "default-src 'self'")
        return response
    return handle
"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("browser") / "my site")
    site.write("templates/page.html", PAGE)
    site.write("templates/other.html", "other")
    site.write("blog/policy.py", POLICY)
    site.edit("config/settings.py", "MIDDLEWARE = [", 'MIDDLEWARE = [\n    "blog.policy.middleware",')
    yield site.start()
    site.stop()


@pytest.fixture
def site(running):
    running.files = {name: (running.root / name).read_text() for name in ("blog/views.py", "templates/page.html")}
    yield running
    for name, text in running.files.items():
        running.write(name, text)
    running.until(lambda: running.get()[0] == 200)


@pytest.fixture
def tab(browser, site):
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.problems = []
    page.on("console", lambda message: page.problems.append(f"{message.text} {message.location}"))
    page.open = lambda path: (page.goto(f"http://127.0.0.1:{site.port}{path}"), listens(site, page))
    yield page
    page.close()


def listens(site, page) -> None:
    """Wait until the page's event stream is open."""
    page.wait_for_function("() => performance.getEntriesByName(location.origin + '/__devserver__/client.js').length")
    page.wait_for_timeout(200)


@pytest.mark.parametrize(
    "policy",
    [
        "default-src 'self'",
        "default-src 'none'; style-src 'self'",
        "default-src 'self'; script-src 'nonce-abc' 'strict-dynamic'; connect-src 'none'",
    ],
)
def test_every_open_page_reloads_under_any_policy(browser, site, tab, policy):
    second = browser.new_page()
    tab.open(f"/page?policy={policy}")
    second.goto(tab.url)
    listens(site, second)

    site.edit("blog/views.py", '"0000"', '"0001"')

    for page in (tab, second):
        page.wait_for_selector("text=0001 one")
    assert [problem for problem in tab.problems if "favicon" not in problem] == []
    second.close()


def test_an_error_lies_over_the_page_and_goes(site, tab):
    tab.open("/page")
    tab.fill("#name", "typed")

    site.edit("blog/views.py", "import os", "import oss")
    tab.wait_for_selector("devserver-box >> text=ModuleNotFoundError: No module named 'oss'")
    assert tab.locator("devserver-box a").inner_text() == "blog/views.py:1"
    assert tab.input_value("#name") == "typed"

    site.edit("blog/views.py", "import oss", "import os")
    tab.wait_for_selector("devserver-box", state="detached")
    assert tab.locator("p").inner_text() == "0000 one"


def test_the_error_page_becomes_the_page(site, tab):
    site.edit("blog/views.py", "import os", "import oss")
    tab.goto(f"http://127.0.0.1:{site.port}/page")
    tab.wait_for_selector("text=This page reloads by itself")

    site.edit("blog/views.py", "import oss", "import os")

    tab.wait_for_selector("text=0000 one")


def test_a_stylesheet_is_swapped_and_typed_text_stays(site, tab):
    tab.open("/page")
    tab.fill("#name", "typed")

    site.write("static/site.css", "p { color: rgb(0, 0, 255) }")

    tab.wait_for_function("() => getComputedStyle(document.querySelector('p')).color === 'rgb(0, 0, 255)'")
    tab.wait_for_function("() => document.querySelectorAll('link').length === 1")
    assert tab.input_value("#name") == "typed"


def test_the_template_of_another_page_is_no_reload(site, tab):
    tab.open("/page")
    tab.fill("#name", "typed")

    site.write("templates/other.html", "changed")
    tab.wait_for_timeout(500)
    assert tab.input_value("#name") == "typed"

    site.edit("templates/page.html", "one", "two")
    tab.wait_for_selector("text=0000 two")


def test_the_answer_to_a_form_stays_and_says_so(site, tab):
    tab.open("/page")
    tab.click("button")
    listens(site, tab)
    tab.fill("#name", "typed")

    site.edit("blog/views.py", '"0000"', '"0001"')

    tab.wait_for_selector("devserver-box >> text=The code has changed")
    assert tab.input_value("#name") == "typed"


def test_one_setting_turns_it_off(site):
    assert "client.js" in site.text("/page")

    site.edit("config/settings.py", "DEBUG = True", "DEBUG = True\nDEVSERVER_BROWSER = False")
    assert "client.js" not in site.text("/page")
    site.edit("config/settings.py", "\nDEVSERVER_BROWSER = False", "")


def test_failing_tests_are_shown_until_they_are_closed_or_fixed(tab, site):
    """The overlay of a red verdict, which comes from a watch of the same project."""
    announcer = Announcer(str(site.root))
    failure = {"test": "blog/tests.py::test_x", "path": "/x", "where": "blog/tests.py", "line": 7, "text": ""}
    red = {"run": 2, "state": "red", "counts": {}, "failures": [{**failure, "message": "assert 1 == 2\nmore"}]}
    tab.goto(f"http://127.0.0.1:{site.port}/page")

    announcer.announce(red)
    tab.wait_for_selector("devserver-box >> text=1 test fails")
    shown = tab.text_content("devserver-box >> section")
    if folder := os.environ.get("SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/watch-overlay.png")
    tab.click("devserver-box >> button")
    tab.wait_for_selector("devserver-box", state="detached")
    announcer.announce({**red, "run": 3})
    tab.wait_for_selector("devserver-box >> section")
    announcer.announce({"run": 4, "state": "green", "counts": {"passed": 1}, "failures": []})

    tab.wait_for_selector("devserver-box", state="detached")
    assert "blog/tests.py:7" in shown
    assert "assert 1 == 2" in shown
    for server in announcer.servers.values():
        server.close()
