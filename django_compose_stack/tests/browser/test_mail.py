"""Mail that development has kept, as somebody at a browser meets it, hostile mail included."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from django_compose_stack.tests import ROOT
from django_compose_stack.tests.browser.chromium import SCHEMES, opened
from django_compose_stack.tests.browser.test_dashboard import AXE_SCRIPT, told

SEND = """
from django.core.mail import EmailMultiAlternatives
message = EmailMultiAlternatives({subject!r}, {text!r}, "me@example.com", ["you@example.com"])
message.attach_alternative({html!r}, "text/html")
message.attach("bill.txt", "12 apples", "text/plain")
message.send()
"""
# Each of these takes over the page, or tells somebody of it, where scripts run or the network is open.
HOSTILE = """
<script>parent.document.title = "taken"; fetch("/_stack/mail/clear/", {method: "POST"})</script>
<img src="x" onerror="parent.document.title = 'taken'">
<svg onload="top.location = '/stolen/'"></svg>
<img src="http://127.0.0.1:PORT/pixel.png"><link rel="stylesheet" href="http://127.0.0.1:PORT/style.css">
<iframe src="http://127.0.0.1:PORT/frame/"></iframe>
<meta http-equiv="refresh" content="0; url=http://127.0.0.1:PORT/refreshed/">
<base href="http://127.0.0.1:PORT/based/">
<form action="http://127.0.0.1:PORT/form/" method="post"><button>Send</button></form>
<a id="script" href="javascript:top.document.title = 'taken'">script</a>
<p style="color: red">Dear reader</p>
"""


@pytest.fixture
def send(healthy) -> Iterator:
    """A function that sends a message from the project. The messages that were there before stay."""
    before = set(ROOT.glob(".mail/*"))

    def send(subject="Your password", text="Reset it: http://example.com/reset/abc", html="<p>Hello</p>"):
        healthy.manage("shell", "--no-imports", "-c", SEND.format(subject=subject, text=text, html=html))
        return healthy

    yield send
    for path in set(ROOT.glob(".mail/*")) - before:
        path.unlink()


@pytest.fixture
def elsewhere() -> Iterator:
    """Another site, with what it was asked for: a browser that refuses a request may still report it as begun."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            self.send_error(404)

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def open_newest(page, site) -> None:
    page.goto(f"{site.url}/_stack/")
    page.get_by_role("link", name=re.compile(r"^Mail \(\d+\)$")).click()
    page.get_by_role("table").get_by_role("link").first.click()


def test_message_is_read_its_link_followed_and_its_attachment_saved(browser, send):
    site = send(html='<h1>Hello</h1><a href="/there/">rich link</a>')
    with opened(browser) as page:
        open_newest(page, site)

        expect(page.get_by_role("heading", level=1)).to_have_text("Your password")
        expect(page.get_by_role("link", name="http://example.com/reset/abc")).to_be_visible()
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("heading", name="Hello")).to_be_visible()
        with page.context.expect_page() as popup:
            frame.get_by_role("link", name="rich link").click()
        assert popup.value.url == f"{site.url}/there/"
        with page.expect_download() as download:
            page.get_by_role("link", name="bill.txt").click()
        assert download.value.path().read_text() == "12 apples\n"


def test_hostile_message_runs_nothing_and_tells_nobody(browser, send, elsewhere):
    site = send("Hostile", html=HOSTILE.replace("PORT", str(elsewhere.server_port)))
    asked, dialogs = [], []
    with opened(browser) as page:
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        open_newest(page, site)
        address, title = page.url, page.title()
        page.on("request", lambda sent: asked.append(sent.url))
        page.reload()
        frame = page.frame_locator("iframe").first
        expect(frame.get_by_text("Dear reader")).to_be_visible()
        # A refresh and whatever a script begins would be asked for by now.
        page.wait_for_load_state("networkidle")
        frame.locator("#script").click()
        frame.get_by_role("button", name="Send").click()
        page.wait_for_timeout(300)

        assert (page.url, page.title()) == (address, title)
        assert frame.get_by_text("Dear reader").evaluate("node => getComputedStyle(node).color") == "rgb(255, 0, 0)"
    assert elsewhere.asked == []
    assert [url for url in asked if "/_stack/mail/clear/" in url or "stolen" in url] == []
    assert dialogs == []


def test_html_of_a_hostile_message_runs_nothing_on_its_own_either(browser, send, elsewhere):
    """Its address may be opened outside of the frame."""
    site = send("Hostile", html=HOSTILE.replace("PORT", str(elsewhere.server_port)).replace("parent", "window"))
    with opened(browser) as page:
        open_newest(page, site)
        page.goto(f"{page.url}html/")
        page.wait_for_load_state("networkidle")

        expect(page.get_by_text("Dear reader")).to_be_visible()
        assert page.title() == ""
    assert elsewhere.asked == []


def test_button_deletes_by_keyboard(browser, send):
    kept = set(ROOT.glob(".mail/*"))
    if kept:
        pytest.skip("this checkout has mail of its own, which the button would delete")
    site = send()
    with opened(browser, java_script_enabled=False) as page:
        page.goto(f"{site.url}/_stack/mail/")
        page.get_by_role("button", name="Delete all").focus()
        page.keyboard.press("Enter")

        expect(page.get_by_text("None yet.")).to_be_visible()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("viewport", ["desktop", "phone"])
def test_axe_finds_no_violation_and_it_fits(browser, send, viewport, scheme):
    site = send(subject="A subject that is long enough to need more than one line on any phone there is")
    with opened(browser, viewport, scheme) as page:
        for number in (0, 1):
            if number:
                open_newest(page, site)
                page.locator("summary").click()
            else:
                page.goto(f"{site.url}/_stack/mail/")
            page.evaluate(AXE_SCRIPT)
            # What is in the frame is whatever the message says.
            found = page.evaluate("axe.run(document, {iframes: false})")

            assert len(found["passes"]) > 10
            assert told(found["violations"]) == []
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
