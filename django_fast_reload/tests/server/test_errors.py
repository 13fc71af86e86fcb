"""No error in the developer's code ends the server, and fixing the code fixes the page."""

import time

import pytest

BROKEN = [
    ("config/settings.py", "DEBUG = True", "DEBUG = True)", "SyntaxError: unmatched ')'"),
    ("config/settings.py", "DEBUG = True", "DEBUG = Tru", "NameError: name 'Tru' is not defined"),
    ("config/settings.py", '"blog", "shop"', '"blog", "shoop"', "ModuleNotFoundError: No module named 'shoop'"),
    ("config/settings.py", 'SECRET_KEY = "test"', "import os; os._exit(3)", "ended by itself"),
    ("config/settings.py", 'SECRET_KEY = "test"', "import sys; sys.exit('no')", "SystemExit: the project ended"),
    ("config/settings.py", '"django.db.backends.sqlite3"', '"no.such"', "'no.such' isn't an available database"),
    ("config/urls.py", "urlpatterns = [", "urlpatterns = [[", "SyntaxError"),
    ("config/urls.py", "views.index", "views.indx", "AttributeError: module 'blog.views' has no attribute 'indx'"),
    ("blog/apps.py", "AppConfig)", "AppConfg)", "NameError: name 'AppConfg' is not defined"),
    ("blog/models.py", "models.CharField", "models.CharFeld", "has no attribute 'CharFeld'"),
    ("blog/admin.py", "register(Post)", "register(Pst)", "NameError: name 'Pst' is not defined"),
    ("blog/views.py", "def index", "1 / 0\ndef index", "ZeroDivisionError"),
    ("manage.py", "import os, sys", "import os, sys, nothing", "No module named 'nothing'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message"), BROKEN)
def test_an_error_is_shown_and_its_fix_is_live(site, name, old, new, message):
    site.edit(name, old, new)
    status, text = site.get()
    assert (status, message in text.decode()) == (500, True), text
    status, page = site.get(accept="text/html")
    assert (status, b"reloads by itself" in page) == (500, True)
    assert message in site.log.read_text()

    site.restore(name)
    assert site.get() == (200, b"0000")


@pytest.mark.parametrize(("name", "old", "new", "message"), BROKEN)
def test_an_error_at_the_very_first_start(fresh_site, name, old, new, message):
    if name == "manage.py" or "sys.exit" in new:
        pytest.skip("manage.py itself must run to start anything, and sys.exit() asks for the end")
    site = fresh_site
    site.edit(name, old, new)
    site.start()
    status, text = site.get()
    assert (status, message in text.decode()) == (500, True), text

    site.restore(name)
    assert site.get() == (200, b"0000")


def test_a_project_that_refuses_to_start_is_not_held_up(fresh_site):
    fresh_site.edit("config/settings.py", 'SECRET_KEY = "test"', "import sys; sys.exit('SECRET_KEY is not set')")

    fresh_site.start(wait=False)

    assert fresh_site.process.wait(timeout=20) == 1
    assert "SECRET_KEY is not set" in fresh_site.log.read_text()


@pytest.mark.parametrize(("name", "line"), [("blog/views.py", "def index"), ("config/settings.py", "SECRET_KEY =")])
def test_an_import_that_never_ends_is_fixed_by_a_save(site, name, line):
    sign = site.root.with_name("hangs")
    sign.unlink(missing_ok=True)
    site.edit(name, line, f"open({str(sign)!r}, 'w').close()\nwhile True:\n    pass\n{line}")
    site.until(sign.exists)

    site.restore(name)
    assert site.get() == (200, b"0000")


def test_a_broken_save_is_loaded_once(site):
    """The look at all files, once a second, must not take it for another save."""
    for _ in range(2):  # The second time it is known from the first what is looked at.
        site.restore("blog/views.py")
        assert site.get()[0] == 200
        generation = site.status()["generation"]
        site.edit("blog/views.py", "def index", "def = index")
        assert site.get()[0] == 500
        time.sleep(2.5)

        assert [names for names, _ in site.loads_since(generation)] == [["blog/views.py"]]


def test_the_page_shows_the_developers_line_first(site):
    site.edit("blog/models.py", "models.CharField", "models.CharFeld")

    page = site.get(accept="text/html")[1].decode()

    first = page.partition("<h2>")[2].partition("</pre>")[0]
    assert "blog/models.py:4</a>" in first
    assert "vscode://file" in first
    assert "my%20site/blog/models.py:4" in first
    assert "class=here><i>4</i>    title = <u>models.CharFeld</u>(max_length=50" in first


def test_a_second_error_replaces_the_first(site):
    site.edit("blog/views.py", "import os", "import oss")
    assert b"No module named 'oss'" in site.get()[1]

    site.edit("blog/views.py", "import oss", "import osss")

    assert b"No module named 'osss'" in site.get()[1]


def test_saving_again_tries_again(site):
    """An error may come from what no file shows: a service that was down, say."""
    flag = site.root.parent / "flag"
    site.edit("blog/views.py", "import os,", f"import os; os.stat({str(flag)!r}); import")
    assert site.get()[0] == 500

    flag.touch()
    (site.root / "blog/views.py").write_text((site.root / "blog/views.py").read_text())

    assert site.text() == "0000"


def test_a_server_that_crashes_comes_back(site):
    site.edit("blog/views.py", "def slow(request):", "def slow(request):\n    os._exit(1)")
    assert site.text() == "0000"
    time.sleep(1.1)  # A server that ends sooner would not be started again.

    assert site.get("/slow")[0] == 0
    assert site.text() == "0000"
