"""A project that was there before the stack: `init`, then up on Postgres, a save that shows, its own tests."""

import re
import shutil
import sys

import pytest

from django_compose_stack.tests import ROOT
from django_compose_stack.tests.scaffold.init.projects import git, make, project, settings
from django_compose_stack.tests.stack.checkout import free_port, get, run, wait_for

TIMEOUT = 900  # seconds; the image is built, from the package index
TESTS = """\
from django.db import connection
from django.test import TestCase


class ShopTests(TestCase):
    def test_it_runs_on_postgres(self):
        self.assertEqual(connection.vendor, "postgresql")
"""
DATABASES = '{"default": {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["SHOP_HOST"], "NAME": "shop"}}'
FILES = {
    **project(folder="backend/"),
    "backend/shop/settings.py": settings(databases=DATABASES),
    "backend/shop/tests.py": TESTS,
    "backend/requirements.txt": "django~=5.2\npsycopg[binary]\n",
    # Theirs, which is to stay as it is.
    "docker-compose.yml": "services:\n  web:\n    image: example.invalid/theirs\n",
}


@pytest.fixture(scope="module")
def shop(engine, tmp_path_factory):
    """Return a function that runs the program in a project that `init` came to, and is up."""
    root = make(tmp_path_factory.mktemp("init") / "shop", FILES)
    run(sys.executable, "-IS", str(ROOT / ".stack"), "init", str(root), "--yes")
    port = free_port()

    def stack(*words):
        # Not of this name: another test may have a shop too.
        variables = {"MODE": "docker", "WEB_PORT": str(port), "COMPOSE_PROJECT_NAME": f"stacktest-init-{port}"}
        return run(sys.executable, "-IS", ".stack", *words, cwd=root, timeout=TIMEOUT, **variables)

    stack.root, stack.port = root, port
    stack("up")
    yield stack
    run(
        *("docker", "compose", "--file=compose.stack.yaml", "--profile=*", "down", "--volumes", "--rmi=local"),
        cwd=root,
        COMPOSE_PROJECT_NAME=f"stacktest-init-{port}",
    )
    shutil.rmtree(root)


def test_the_page_is_served(shop):
    status, page = get(shop.port)

    assert status == 200, page
    assert "Hello" in page


def test_it_runs_on_the_postgres_of_compose(shop):
    words = "from django.db import connection; print(connection.vendor, connection.settings_dict['HOST'])"

    assert "postgresql db" in shop("run", "python", "manage.py", "shell", "-c", words).stdout


def test_a_save_shows(shop):
    urls = shop.root / "backend/shop/urls.py"
    urls.write_text(urls.read_text().replace("Hello", "Good morning"))

    wait_for(lambda: "Good morning" in get(shop.port)[1], "the page to show the save")
    git(shop.root, "checkout", "backend/shop/urls.py")


def test_the_dashboard_answers(shop):
    status, page = get(shop.port, "/_stack/")

    assert status == 200, page
    assert re.search("POSTGRES_DB|PostgreSQL", page)


def test_its_own_tests_run_on_a_postgres_of_their_own(shop):
    done = shop("test")

    assert "Ran 1 test" in done.stdout + done.stderr


def test_the_doctor_finds_nothing(shop):
    assert shop("doctor").stdout == "No problem found.\n"
