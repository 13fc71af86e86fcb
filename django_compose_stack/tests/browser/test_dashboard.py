"""The dashboard, the example and their error pages, as somebody at a browser meets them."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from django_compose_stack.tests.browser.chromium import SCHEMES, VIEWPORTS, opened

# Each page that has a look of its own: which server shows it, and its path.
PAGES = [
    ("healthy", "/"),
    ("healthy", "/_stack/"),
    ("pending", "/"),
    ("pending", "/_stack/"),
    ("shared", "/_stack/"),
    ("down", "/_stack/"),
]


def test_button_on_a_failed_page_brings_it_alive(browser, fresh):
    fresh.manage("migrate", "pages", "zero")
    with opened(browser) as page:
        page.goto(f"{fresh.url}/?from=here")
        expect(page.get_by_role("heading", level=1)).to_have_text("1 unapplied migration")

        page.get_by_role("button", name="Apply it").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("It works")
        assert page.url == f"{fresh.url}/?from=here"
        page.get_by_label("A note for the database").fill("Buy milk")
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_role("listitem")).to_contain_text("Buy milk")


def test_button_of_the_dashboard_works_by_keyboard_and_without_javascript(browser, fresh):
    fresh.manage("migrate", "pages", "zero")
    with opened(browser, java_script_enabled=False) as page:
        page.goto(f"{fresh.url}/_stack/")
        expect(page.get_by_role("heading", level=1)).to_have_text("1 unapplied migration")

        for _ in range(10):
            page.keyboard.press("Tab")
            if page.get_by_role("button").and_(page.locator(":focus")).count():
                break
        page.keyboard.press("Enter")

        expect(page.get_by_role("heading", level=1)).to_have_text("Everything runs")
        expect(page.get_by_role("listitem").filter(has_text="all migrations are applied")).to_be_visible()


def test_dashboard_tells_why_the_database_is_down(browser, down):
    with opened(browser) as page:
        page.goto(f"{down.url}/_stack/")

        expect(page.get_by_role("heading", level=1)).to_have_text("The database does not answer")
        verdict = page.get_by_role("region", name="The database does not answer")
        expect(verdict).to_contain_text("has no database browser_")


def test_shared_page_has_a_qr_code_that_fits_beside_its_address(browser, shared):
    with opened(browser) as page:
        page.goto(f"{shared.url}/_stack/")

        code = page.get_by_role("img", name=f"QR code of http://192.168.1.5:{shared.port}/")
        expect(code).to_be_visible()
        assert code.bounding_box()["width"] > 100


def test_request_is_on_the_dashboard(browser, healthy):
    with opened(browser) as page:
        page.goto(f"{healthy.url}/")
        page.get_by_role("link", name="dashboard").click()

        row = page.get_by_role("region", name="Requests").get_by_role("row").nth(1)
        expect(row).to_contain_text("GET /")
        expect(row).to_contain_text("200")


def test_settings_unfold_by_keyboard(browser, healthy):
    with opened(browser) as page:
        page.goto(f"{healthy.url}/_stack/")
        page.locator("summary").focus()
        page.keyboard.press("Enter")

        expect(page.get_by_text("SECURE_CSP", exact=True)).to_be_visible()


@pytest.mark.parametrize(("server", "path"), PAGES)
def test_page_loads_nothing_from_elsewhere_and_breaks_no_policy(browser, request, server, path):
    site = request.getfixturevalue(server)
    asked, said = [], []
    with opened(browser) as page:
        page.on("request", lambda sent: asked.append(sent.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(site.url + path)

    assert len(asked) > 1
    assert [url for url in asked if not url.startswith(site.url)] == []
    # Chromium's own word for the status of the page, where a request fails on purpose.
    assert [text for text in said if "status of 500" not in text] == []


@pytest.mark.parametrize("viewport", VIEWPORTS)
@pytest.mark.parametrize(("server", "path"), PAGES)
def test_page_fits_the_screen(browser, request, server, path, viewport):
    with opened(browser, viewport) as page:
        page.goto(request.getfixturevalue(server).url + path)

        assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS[viewport]["width"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("viewport", VIEWPORTS)
@pytest.mark.parametrize(("server", "path"), PAGES)
def test_axe_finds_no_violation(browser, request, server, path, viewport, scheme):
    with opened(browser, viewport, scheme) as page:
        page.goto(request.getfixturevalue(server).url + path)
        for summary in page.locator("summary").all():
            summary.click()
        # Evaluated, not added as a script: the page's own policy refuses what it does not serve.
        page.evaluate(AXE_SCRIPT)
        found = page.evaluate("axe.run()")

    assert len(found["passes"]) > 10
    assert told(found["violations"]) == []
    # What axe cannot decide, such as a contrast behind something that overlaps, is worth a look too.
    assert told(found["incomplete"]) == []


def told(results):
    """Return rule, element and reason of each of axe's results."""
    return [
        (each["id"], node["target"], [check["message"] for check in node["any"]])
        for each in results
        for node in each["nodes"]
    ]
