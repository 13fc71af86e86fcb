"""A real Chromium for tests and screenshots, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
VIEWPORTS = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")
TIMEOUT = 20_000  # milliseconds


def find() -> str:
    """Return the path of a Chromium; "" where there is none."""
    found = (shutil.which(name) for name in NAMES)
    return next(filter(None, found), str(MACOS) if MACOS.exists() else "")


@contextmanager
def started() -> Iterator[Browser]:
    # Chromium's sandbox refuses to run as root, as in many a container.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, viewport: str = "desktop", scheme: str = "light", **options) -> Iterator[Page]:
    """Give a page of its own, without cookies."""
    context = browser.new_context(viewport=VIEWPORTS[viewport], color_scheme=scheme, **options)
    context.set_default_timeout(TIMEOUT)
    try:
        yield context.new_page()
    finally:
        context.close()
