import pytest

from .watched_site import WatchedSite

GREEN = {
    "blog/tests.py::test_word": "passed",
    "blog/tests.py::test_index": "passed",
    "blog/tests.py::test_first": "passed",
    "shop/tests.py::ShopTest::test_shop": "passed",
    "shop/tests.py::ShopTest::test_page": "passed",
    "shop/tests.py::PlainTest::test_plain": "passed",
}


@pytest.fixture(scope="module")
def running_site(tmp_path_factory):
    site = WatchedSite(tmp_path_factory.mktemp("watch") / "my site")
    yield site.start()
    site.stop()


@pytest.fixture
def site(running_site):
    """A running watch, shared by the tests of a module; each finds the files as they were."""
    yield running_site
    for name, text in running_site.files.items():
        if not (running_site.root / name).exists() or (running_site.root / name).read_text() != text:
            running_site.save(name, text)


def test_all_tests_run_first(site):
    status = site.status()

    assert status["outcomes"] == GREEN
    assert status["tests"]["state"] == "green"


def test_a_change_in_a_function_runs_the_tests_that_ran_it(site):
    status = site.save("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(VERSION + '1')")

    assert status["tests"]["counts"] == {"failed": 1}
    (failure,) = status["tests"]["failures"]
    assert failure["test"] == "blog/tests.py::test_index"
    assert (failure["where"], failure["line"]) == ("blog/tests.py", 7)
    assert failure["message"].startswith("AssertionError: assert b'00001' == b'0000'")
    assert status["outcomes"] == GREEN | {"blog/tests.py::test_index": "failed"}


def test_a_change_of_a_constant_runs_all(site):
    status = site.save("blog/words.py", '"words"', '"other"')

    assert status["tests"]["counts"] == {"failed": 1, "passed": 5}


def test_a_changed_test_runs_alone(site):
    status = site.save("blog/tests.py", 'words.WORD == "words"', 'words.WORD != "words"')

    assert status["tests"]["counts"] == {"failed": 1}


PLAIN = "assert 'blog.views' not in __import__('sys').modules and "


def test_a_test_that_makes_no_request_does_not_wait_for_the_urlconf(site):
    status = site.save("blog/tests.py", "assert words", f"{PLAIN}words")

    assert status["tests"]["counts"] == {"passed": 1}

    site.save("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(VERSION + '1')")
    status = site.save("blog/views.py", "VERSION + '1'", "VERSION + '2'")

    assert status["tests"]["counts"] == {"failed": 1}
    # The second of them finds a snapshot again.
    assert status["history"][-1]["before"] == "blog/views.py"


def test_a_test_that_makes_its_first_request_after_all(site):
    before = site.status()["generation"]

    site.save("blog/tests.py", "test_word():\n", "test_word(client):\n    client.get('/')\n")
    status = site.wait(before + 1)  # It was begun again, with the URLconf.

    assert status["tests"]["counts"] == {"passed": 1}
    assert status["outcomes"] == GREEN
    assert status["generation"] == before + 2


def test_a_function_that_ran_for_the_urlconf_alone(site):
    """Which tests use what came of it is not known, and the run before has not run it."""
    site.save("blog/words.py", "WORD =", "def prefix():\n    return 'shop/'\nWORD =")
    site.save("shop/urls.py", 'path("",', 'path(__import__("blog.words").words.prefix()[5:],')
    site.save("blog/tests.py", "assert words", "assert 1 and words")

    status = site.save("blog/words.py", "'shop/'", "'shop/x'")

    assert status["tests"]["counts"] == {"failed": 1, "passed": 5}


def test_a_template_runs_the_tests_that_rendered_it(site):
    status = site.save("templates/page.html", "one", "two")

    assert status["tests"]["counts"] == {"failed": 1}
    assert [failure["test"] for failure in status["tests"]["failures"]] == ["shop/tests.py::ShopTest::test_page"]


def test_a_template_that_the_last_run_did_not_use(site):
    site.save("blog/tests.py", 'words.WORD == "words"', 'words.WORD != "other"')

    status = site.save("templates/page.html", "one", "two")

    assert status["tests"]["counts"] == {"failed": 1}


def test_failed_tests_run_again_first(site):
    site.save("shop/tests.py", "2)", "3)")

    status = site.save("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(VERSION + '1')")

    assert status["tests"]["counts"] == {"failed": 2}
    assert list(status["outcomes"].values()).count("failed") == 2


def test_a_test_that_is_added_renamed_and_deleted(site):
    added = site.save("shop/test_more.py", "def test_one(): assert True\n")
    renamed = site.save("shop/test_more.py", "def test_two(): assert True\n")
    (site.root / "shop/test_more.py").rename(site.root / "shop/test_other.py")
    moved = site.wait(renamed["generation"])
    (site.root / "shop/test_other.py").unlink()
    deleted = site.wait(moved["generation"])

    assert added["tests"]["counts"] == {"passed": 1}
    assert set(renamed["outcomes"]) - set(GREEN) == {"shop/test_more.py::test_two"}
    assert set(moved["outcomes"]) - set(GREEN) == {"shop/test_other.py::test_two"}
    assert deleted["outcomes"] == GREEN


@pytest.mark.parametrize("name", ["conftest.py", "shop/conftest.py"])
def test_a_conftest_that_appears_and_goes(site, name):
    appeared = site.save(name, "import pytest\n@pytest.fixture(autouse=True)\ndef stop(): raise ValueError('here')\n")
    (site.root / name).unlink()
    gone = site.wait(appeared["generation"])

    assert appeared["tests"]["counts"] == {"error": 6 if name == "conftest.py" else 3}, site.log.read_text()
    assert gone["outcomes"] == GREEN


def test_a_syntax_error_in_a_test(site):
    broken = site.save("blog/tests.py", "def test_word():", "def test_word(:")

    assert broken["tests"]["state"] == "red"
    (failure,) = broken["tests"]["failures"]
    assert failure["test"] == "blog/tests.py"
    assert "SyntaxError" in failure["text"]


def test_broken_settings_and_a_broken_view(site):
    settings = site.save("config/settings.py", 'SECRET_KEY = "test"', "1 / 0")
    site.save("config/settings.py", site.files["config/settings.py"])
    view = site.save("blog/views.py", "def index(request):", "def index(request:")

    assert settings["state"] == "broken"
    assert "ZeroDivisionError" in settings["failure"]["text"]
    assert view["outcomes"]["blog/tests.py::test_index"] == "failed"
    assert "SyntaxError" in view["tests"]["failures"][0]["text"]
    assert view["outcomes"]["shop/tests.py::PlainTest::test_plain"] == "passed"


def test_a_migration_that_is_added_fails_and_goes(site):
    text = """
from django.db import migrations
def fill(apps, schema_editor):
    apps.get_model("blog", "Post").objects.update(title="second")
class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.RunPython(fill)]
"""
    added = site.save("blog/migrations/0002_more.py", text)
    failing = site.save("blog/migrations/0002_more.py", text.replace("apps.get", "1 / 0; apps.get"))
    (site.root / "blog/migrations/0002_more.py").unlink()
    gone = site.wait(failing["generation"])

    assert "'second'" in str(added["tests"]["failures"])
    assert added["outcomes"]["blog/tests.py::test_first"] == "failed"
    assert failing["outcomes"]["blog/tests.py::test_first"] == "error"
    assert "ZeroDivisionError" in failing["tests"]["failures"][0]["message"]
    assert gone["outcomes"] == GREEN
