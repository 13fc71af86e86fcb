"""A save is live for the first request that is sent after it."""

import json
import os
import subprocess
import time

import pytest

from .site import FILES


def test_each_request_after_a_save_gets_the_new_code(site):
    for number in range(1, 60):
        site.edit("blog/views.py", f'VERSION = "{number - 1:04}"', f'VERSION = "{number:04}"')

        assert site.get() == (200, f"{number:04}".encode())


def test_the_environment_is_that_of_djangos_reloader(site):
    assert json.loads(site.text("/state"))["run_main"] == "true"


@pytest.mark.parametrize(
    ("name", "old", "new", "key", "expected"),
    [
        ("config/settings.py", 'WORD = "settings"', 'WORD = "SETTINGS"', "settings", "SETTINGS"),
        ("blog/words.py", 'WORD = "words"', 'WORD = "other"', "word", "other"),
        ("blog/data.json", '{"a": 1}', '{"a": 2}', "data", '{"a": 2}'),
    ],
)
def test_any_file_that_start_up_used_is_live(site, name, old, new, key, expected):
    site.edit(name, old, new)

    assert json.loads(site.text("/state"))[key] == expected


def save_in_place(path, text):
    path.write_text(text)


def save_in_two_steps(path, text):
    path.write_text("")
    path.write_text(text)


def save_by_rename(path, text):
    path.with_name(".views.tmp").write_text(text)
    path.with_name(".views.tmp").rename(path)


def save_like_vim(path, text):
    path.with_name("4913").write_text("")
    path.with_name("4913").unlink()
    path.rename(path.with_name("views.py~"))
    path.write_text(text)
    path.with_name("views.py~").unlink()


def save_by_link(path, text):
    path.with_name("new.tmp").write_text(text)
    path.unlink()
    os.link(path.with_name("new.tmp"), path)
    path.with_name("new.tmp").unlink()


@pytest.mark.parametrize("save", [save_in_place, save_in_two_steps, save_by_rename, save_like_vim, save_by_link])
def test_every_way_of_saving_is_one_reload_without_an_error(site, save):
    before = site.status()["generation"]
    path = site.root / "blog/views.py"

    save(path, path.read_text().replace('"0000"', f'"{save.__name__}"'))

    assert site.text() == save.__name__
    assert site.loads_since(before) == [(["blog/views.py"], "")]


def test_a_changed_folder_is_named_by_its_files(site):
    """A sweep may notice the folder in the same moment as an event tells of the file."""
    before = site.status()["generation"]
    for number in range(1, 26):
        save_by_rename(site.root / "blog/views.py", FILES["blog/views.py"].replace("0000", f"{number:04}"))
        assert site.text() == f"{number:04}"
        time.sleep(0.05)

    assert {tuple(files) for files, _ in site.loads_since(before)} == {("blog/views.py",)}


def test_a_server_that_runs_for_long_takes_as_many_snapshots(fresh_site):
    """What a snapshot has waited is no part of the start."""
    site = fresh_site
    site.edit("blog/models.py", "class Post", "import time; time.sleep(0.2)\nclass Post")
    site.start()
    assert "shop/models.py" in site.status()["snapshots"]  # the next file that is read
    time.sleep(8)

    site.edit("config/settings.py", '"test"', '"another"')
    assert site.get() == (200, b"0000")

    assert "shop/models.py" in site.status()["snapshots"]


def test_saving_without_a_change_is_no_reload(site):
    pid = json.loads(site.text("/state"))["pid"]

    (site.root / "blog/views.py").write_text((site.root / "blog/views.py").read_text())
    os.utime(site.root / "blog/models.py")

    assert json.loads(site.text("/state"))["pid"] == pid


def test_a_file_that_belongs_to_nothing_is_no_reload(site):
    pid = json.loads(site.text("/state"))["pid"]

    for name in ("notes.txt", "blog/unused.py", "debug.log"):
        (site.root / name).write_text("x")

    assert json.loads(site.text("/state"))["pid"] == pid


def test_looking_for_installed_packages_is_no_use_of_the_folder(fresh_site):
    """importlib.metadata lists each folder of sys.path, and the project's is the first."""
    site = fresh_site
    site.edit(
        "config/settings.py",
        "SECRET_KEY",
        "import importlib.metadata\nimportlib.metadata.version('django')\nSECRET_KEY",
    )
    site.start()
    pid = json.loads(site.text("/state"))["pid"]

    site.write("nohup.out", "x")

    assert json.loads(site.text("/state"))["pid"] == pid


def test_a_folder_of_the_path_may_end_with_a_slash(fresh_site):
    site = fresh_site
    site.write("lib/words.py", "WORD = 'one'\n")
    site.edit(
        "manage.py",
        "import os, sys",
        "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib/'))",
    )
    site.edit(
        "blog/views.py",
        "def index(request):",
        "from words import WORD\ndef index(request):\n    return HttpResponse(WORD)",
    )
    site.start()
    assert site.text() == "one"

    site.write("lib/words.py", "WORD = 'two'\n")
    assert site.text() == "two"


def test_a_link_is_what_it_leads_to(fresh_site):
    site = fresh_site
    target = site.root.with_name("elsewhere.py")
    target.write_text("WORD = 'one'\n")
    (site.root / "blog/linked.py").symlink_to(target)
    site.edit(
        "blog/views.py",
        "def index(request):",
        "from .linked import WORD\ndef index(request):\n    return HttpResponse(WORD)",
    )
    site.start()
    assert site.text() == "one"

    for word in ("two", "three", "four"):
        target.write_text(f"WORD = '{word}'\n")
        assert site.text() == word


def test_a_new_module_that_was_looked_for_is_loaded(site):
    site.edit("shop/views.py", 'HttpResponse("shop")', 'HttpResponse("admin" if "admin" in WAS else "none")')
    site.edit(
        "shop/views.py",
        "def index",
        "import sys\nWAS = [m for m in ['admin'] if 'shop.admin' in sys.modules]\ndef index",
    )
    assert site.text("/shop/") == "none"

    site.write(
        "shop/admin.py", "from django.contrib import admin\nfrom .models import Item\nadmin.site.register(Item)\n"
    )
    assert site.text("/shop/") == "admin"

    (site.root / "shop/admin.py").unlink()
    assert site.text("/shop/") == "none"


def test_a_module_becomes_a_package_and_back(site):
    words = site.root / "blog/words.py"
    (site.root / "blog/words").mkdir()
    site.write("blog/words/__init__.py", 'WORD = "package"\nDATA = ""\n')
    words.unlink()
    assert json.loads(site.text("/state"))["word"] == "package"

    site.restore("blog/words.py")
    (site.root / "blog/words/__init__.py").unlink()
    (site.root / "blog/words").rmdir()
    assert json.loads(site.text("/state"))["word"] == "words"


def test_a_renamed_folder_is_an_error_until_it_is_back(site):
    (site.root / "shop").rename(site.root / "store")
    status, text = site.get()
    assert status == 500
    assert b"No module named 'shop'" in text

    (site.root / "store").rename(site.root / "shop")
    assert site.get("/shop/") == (200, b"shop")
    site.edit("shop/views.py", '"shop"', '"back"')
    assert site.get("/shop/") == (200, b"back")


def test_a_template_is_live_without_another_process(site):
    assert site.text("/page") == "<p>0000 one</p>"
    pid = json.loads(site.text("/state"))["pid"]

    site.edit("templates/page.html", "one", "two")

    assert site.text("/page") == "<p>0000 two</p>"
    assert json.loads(site.text("/state"))["pid"] == pid


def test_a_template_is_live_however_soon_after_the_start(fresh_site):
    """No process lives long enough here to say at leisure what Django wants watched."""
    site = fresh_site.start()
    for number in range(5):
        site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
        site.edit("templates/page.html", f"{number} " if number else "one", f"{number + 1} ")
        assert site.text("/page") == f"<p>{number + 1:04} {number + 1} </p>"
        site.edit("templates/page.html", f"{number + 1} ", f"{number + 1}. ")
        assert site.text("/page") == f"<p>{number + 1:04} {number + 1}. </p>"
        site.edit("templates/page.html", f"{number + 1}. ", f"{number + 1} ")


def test_a_module_imported_by_a_request_is_live(site):
    site.edit("blog/views.py", "return HttpResponse(VERSION)", "from . import late\n    return HttpResponse(late.X)")
    site.write("blog/late.py", "X = 'late'\n")
    assert site.text() == "late"

    site.write("blog/late.py", "X = 'newer'\n")

    assert site.text() == "newer"


def test_a_branch_switch_is_one_reload(site):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=site.root, check=True, capture_output=True)

    git("init", "-b", "main")
    git("add", *FILES)
    git("commit", "-m", "first")
    git("checkout", "-b", "other")
    for name in ("blog/views.py", "blog/words.py", "config/settings.py", "shop/views.py"):
        site.edit(name, '"0000"' if "blog/v" in name else '"', '"1111"' if "blog/v" in name else '"b')
    site.edit("config/settings.py", '"b', '"')
    site.edit("blog/words.py", '"b', '"')
    site.edit("blog/words.py", '"words"', '"branch"')
    site.edit("shop/views.py", '"b', '"')
    site.edit("shop/views.py", '"shop"', '"branch"')
    git("commit", "-am", "second")
    assert site.text("/shop/") == "branch"
    before = site.status()["generation"]

    git("checkout", "main")

    assert site.text("/shop/") == "shop"
    state = json.loads(site.text("/state"))
    assert (state["version"], state["word"]) == ("0000", "words")
    assert len(site.loads_since(before)) == 1


def test_a_log_filter_of_the_projects_own(fresh_site):
    """Logging imports it while it holds its lock, which no fork may copy."""
    site = fresh_site
    (site.root / "blog/filters.py").write_text("def quiet():\n    return lambda record: False\n")
    filters = '"filters": {"own": {"()": "blog.filters.quiet"}}'
    site.edit("config/settings.py", "WORD =", f'LOGGING = {{"version": 1, {filters}}}\nWORD =')
    site.start()

    site.edit("blog/filters.py", "False", "True")
    assert site.text() == "0000"
    site.edit("blog/filters.py", "True", "None")
    assert site.text() == "0000"
    assert "Traceback" not in site.log.read_text()
