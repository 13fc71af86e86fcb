"""A project with tests, and a watch that runs them."""

import json
import re
import sys
import time
import urllib.request
from pathlib import Path
from textwrap import dedent

from .site import Site

TEST_FILES = {
    "pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = config.settings\npython_files = tests.py test_*.py\n",
    "blog/migrations/__init__.py": "",
    "blog/migrations/0001_initial.py": """
        from django.db import migrations, models
        def fill(apps, schema_editor):
            apps.get_model("blog", "Post").objects.create(title="first")
        class Migration(migrations.Migration):
            initial = True
            operations = [
                migrations.CreateModel("Post", [
                    ("id", models.BigAutoField(primary_key=True)), ("title", models.CharField(max_length=50)),
                ]),
                migrations.RunPython(fill),
            ]
    """,
    "blog/tests.py": """
        import pytest
        from blog import words
        from blog.models import Post
        def test_word():
            assert words.WORD == "words"
        def test_index(client):
            assert client.get("/").content == b"0000"
        @pytest.mark.django_db
        def test_first():
            assert [post.title for post in Post.objects.all()] == ["first"]
    """,
    "shop/tests.py": """
        import unittest
        from django.test import TestCase
        class ShopTest(TestCase):
            def test_shop(self):
                self.assertEqual(self.client.get("/shop/").content, b"shop")
            def test_page(self):
                self.assertContains(self.client.get("/page"), "one")
        class PlainTest(unittest.TestCase):
            def test_plain(self):
                self.assertEqual(1 + 1, 2)
    """,
}
# Added to the settings, it uses the server that `make test` starts.
POSTGRES = """
import os
DATABASES["default"] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ["POSTGRES_DB"],
    **{name: os.environ[f"POSTGRES_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD")},
    "TEST": {"NAME": "test_of_a_site"},
}
"""
TEST_FILES = {name: dedent(text).lstrip("\n") for name, text in TEST_FILES.items()}


class WatchedSite(Site):
    def __init__(self, root: Path, files: dict[str, str] | None = None):
        super().__init__(root, TEST_FILES | (files or {}))

    def start(self, *arguments: str, wait: bool = True, **environment: str):
        command = [sys.executable, "-m", "django_fast_reload", "watch", *arguments]
        self.seen = 0
        self.launch(command, environment)
        if wait:
            self.wait()
        return self

    def server(self) -> Site:
        """Return a development server for the same files."""
        server = self.twin()
        server.__class__ = Site
        return server

    def text(self) -> str:
        """Return what is new in the terminal since the last call."""
        text = self.log.read_text()
        seen, self.seen = self.seen, len(text)
        return text[seen:]

    def status(self) -> dict:
        port = re.search(r"http://127.0.0.1:(\d+)", self.log.read_text())
        if port is None:
            return {}
        with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/__devserver__/status", timeout=5) as answer:
            return json.load(answer)

    def wait(self, after: int = 0, timeout: float = 60) -> dict:
        """Return the status when the run is over that is later than the load of number `after`."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(self.log.read_text())
            status = self.status()
            if status and status["generation"] > after and (status["tests"] or {}).get("run") == status["generation"]:
                return status
            if status and status["generation"] > after and status["state"] == "broken":
                return status
            time.sleep(0.01)
        raise AssertionError(f"no verdict\n{self.log.read_text()}")

    def save(self, name: str, *change: str) -> dict:
        """Change a file as `write` with one text, `edit` with two; return the status after the run."""
        before = self.status()["generation"]
        (self.edit if len(change) == 2 else self.write)(name, *change)
        return self.wait(before)
