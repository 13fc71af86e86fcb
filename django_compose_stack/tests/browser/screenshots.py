"""Take the pictures in docs/: python -m tests.browser.screenshots

They show a stack of their own in Docker, a copy of this checkout, in each state that the dashboard knows.
"""

import socket
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from django_compose_stack.tests.browser.chromium import find, opened, started
from django_compose_stack.tests.browser.test_mail import SEND
from django_compose_stack.tests.stack.checkout import ROOT, Checkout, wait_for

DOCS = ROOT / "docs"
PORT = 8000  # what a newcomer sees; any other where it is taken
LOOKS = {
    "desktop": {"viewport": "desktop", "scheme": "light"},
    "dark": {"viewport": "desktop", "scheme": "dark"},
    "phone": {"viewport": "phone", "scheme": "light", "device_scale_factor": 2},
}
EDITED = "apps/pages/views.py"
NOTES = ("Read compose.yaml", "Change a line of notes.html", "Press the button of a migration")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return bool(probe.connect_ex(("127.0.0.1", port)))


def take(browser: Browser, url: str, name: str, full_page: bool = False, **look) -> None:
    with opened(browser, **look) as page:
        page.goto(url)
        page.screenshot(path=DOCS / f"{name}.png", full_page=full_page)
    print(f"docs/{name}.png")


def take_dashboard(browser: Browser, checkout: Checkout, state: str) -> None:
    for name, look in LOOKS.items():
        # One picture is of the whole page, for whoever reads the docs without a stack at hand.
        whole = (state, name) == ("healthy", "desktop")
        take(browser, f"http://127.0.0.1:{checkout.port}/_stack/", f"dashboard-{state}-{name}", whole, **look)


def take_mail(browser: Browser, checkout: Checkout) -> None:
    link = f"http://127.0.0.1:{checkout.port}/reset/MQ/abc-def/"
    html = f'<h1>Reset your password</h1><p>Hello Ada,</p><p><a href="{link}">Choose a new password</a></p>'
    code = SEND.format(subject="Reset your password", text=f"Hello Ada,\n\nChoose a new password: {link}", html=html)
    checkout.manage("shell", "--no-imports", "-c", code)
    with opened(browser) as page:
        page.goto(f"http://127.0.0.1:{checkout.port}/_stack/mail/")
        page.get_by_role("table").get_by_role("link").first.click()
        page.frame_locator("iframe").locator("h1").wait_for()
        page.screenshot(path=DOCS / "mail.png", full_page=True)
    print("docs/mail.png")


def work_a_little(checkout: Checkout) -> None:
    """Save files and ask for pages, so that there are reloads and requests to show."""
    path = checkout.path / EDITED
    text = path.read_text()
    for number in range(5):
        path.write_text(f"{text}\n\nSAVED = {number}\n")
        wait_for(lambda: checkout.get()[0] == 200, "the page after a save")
    for _ in range(3):
        checkout.page()


def main() -> None:
    if not find():
        sys.exit("There is no Chromium on PATH. Install it: apt install chromium")
    with tempfile.TemporaryDirectory() as folder, started() as browser:
        checkout = Checkout(Path(folder))
        checkout.port = PORT if is_free(PORT) else checkout.port
        site = f"http://127.0.0.1:{checkout.port}/"
        try:
            checkout.up()
            with opened(browser) as page:
                page.set_viewport_size({"width": 900, "height": 430})
                page.goto(site)
                page.screenshot(path=DOCS / "first-page.png")
            for note in NOTES:
                checkout.add_note(note)
            work_a_little(checkout)
            take_mail(browser, checkout)
            take_dashboard(browser, checkout, "healthy")
            checkout.manage("migrate", "pages", "zero")
            take_dashboard(browser, checkout, "pending")
            take(browser, site, "pending-migrations", **LOOKS["desktop"])
            checkout.compose("stop", "db")
            take_dashboard(browser, checkout, "down")
        finally:
            checkout.remove()


if __name__ == "__main__":
    main()
