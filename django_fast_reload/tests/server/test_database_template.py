"""A test database that is copied is what a new one would be, whatever was edited in between."""

import json
import os
import random
import subprocess
import sys

import pytest

from .site import FILES
from .watched_site import POSTGRES, TEST_FILES, WatchedSite

# Makes the test database, prints whether it was copied, the seconds that took, and all that is in it.
PROGRAM = """
import json, os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django_fast_reload import database_template
copies, kinds = [], (database_template.PostgresTemplates, database_template.SQLiteTemplates)
for kind in kinds:
    copy = kind.copy
    kind.copy = lambda self, made, copy=copy: copies.append(1) or copy(self, made)
if sys.argv[1] == "template":
    database_template.install(sys.argv[2], sys.argv[3])
began = time.perf_counter()
try:
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
except Exception as error:
    print(json.dumps([bool(copies), 0, repr(error)]))
    sys.exit()
seconds = time.perf_counter() - began
found = {}
with connection.cursor() as cursor:
    for table in sorted(connection.introspection.table_names(cursor)):
        cursor.execute(f'SELECT * FROM "{table}"')
        columns = [column[0] for column in cursor.description]
        skip = columns.index("applied") if table == "django_migrations" else -1
        rows = [[each for at, each in enumerate(row) if at != skip] for row in cursor.fetchall()]
        found[table] = [columns, sorted(map(repr, rows))]
connection.creation.destroy_test_db(name, verbosity=0)
print(json.dumps([bool(copies), seconds, found]))
"""
FIRST = TEST_FILES["blog/migrations/0001_initial.py"].replace('title="first"', "title=title()")
FIRST = FIRST.replace("migrations, models\n", "migrations, models\nfrom blog.titles import title\n")
SECOND = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.AddField("Post", "note", models.TextField(default="none"))]
"""
REPLACED = 'replaces = [("blog", "0001_initial"), ("blog", "0002_note")]'
SQUASHED = FIRST.replace("initial = True", f"initial = True\n    {REPLACED}")
TITLES = """
from pathlib import Path
from blog import words
def title():
    return words.WORD + Path(__file__).with_name("title.txt").read_text()
"""
MODELS = """
from django.db import models
from blog.words import WORD
class Item(models.Model):
    cost = models.IntegerField()
    class Meta:
        permissions = [("buy", WORD)]
"""
VARIANTS = {
    "blog/migrations/0001_initial.py": [FIRST, FIRST.replace("max_length=50", "max_length=60")],
    "blog/migrations/0002_note.py": [None, SECOND, SECOND.replace("none", "some"), SECOND.replace("Text", "Wrong")],
    "blog/migrations/0001_squashed_0002.py": [None, SQUASHED],
    "blog/titles.py": [TITLES, TITLES.replace("words.WORD", "words.WORD.upper()")],
    "blog/title.txt": ["one", "two"],
    "blog/words.py": ["WORD = 'words'\n", "WORD = 'other'\n"],
    "shop/models.py": [FILES["shop/models.py"], MODELS],
}


@pytest.fixture(params=["postgresql", "sqlite"])
def site(request, tmp_path):
    site = WatchedSite(tmp_path / "my site")
    if request.param == "postgresql":
        if "POSTGRES_HOST" not in os.environ:
            pytest.skip("there is no Postgres. Run: make test")
        site.write("config/settings.py", site.files["config/settings.py"] + POSTGRES)
    site.write("make_database.py", PROGRAM)
    for name, texts in VARIANTS.items():
        if texts[0] is not None:
            site.write(name, texts[0])
    return site


def make(site, *arguments: str) -> tuple[bool, float, object]:
    done = subprocess.run(
        [sys.executable, "make_database.py", *arguments],
        cwd=site.root, env={**os.environ, "PYTEST_XDIST_WORKER": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, 2), done.stderr
    return tuple(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else (False, 0, done.stderr)


def test_a_copy_is_what_a_new_database_would_be(site, tmp_path):
    chance = random.Random(os.environ.get("DEVSERVER_SEED", "1"))
    copies, times = 0, []
    (tmp_path / "templates").mkdir()
    for number in range(int(os.environ.get("DEVSERVER_MIGRATIONS", "8"))):
        if number % 2:
            name = chance.choice(list(VARIANTS))
            text = chance.choice(VARIANTS[name])
            if text is None:
                (site.root / name).unlink(missing_ok=True)
            else:
                site.write(name, text)

        is_copy, seconds, found = make(site, "template", "_watch_1", str(tmp_path / "templates"))
        _, _, fresh = make(site, "fresh")

        assert found == fresh, f"edit {number}, {name}"
        copies += is_copy
        times += [seconds] if is_copy else []
    print(f"{copies} copies of {number + 1}, slowest {max(times, default=0) * 1000:.0f} ms, all {sorted(times)}")
    assert copies > number / 4
