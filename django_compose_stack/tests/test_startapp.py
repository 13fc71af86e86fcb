import ast
import shutil

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command


@pytest.fixture
def project(tmp_path, settings):
    """A folder that has the parts of this project that startapp touches."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "config").mkdir()
    shutil.copy(django_settings.BASE_DIR / "config/settings.py", tmp_path / "config")
    settings.BASE_DIR = tmp_path
    return tmp_path


def installed_apps(project):
    tree = ast.parse((project / "config/settings.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "INSTALLED_APPS":
            return ast.literal_eval(node.value)
    raise AssertionError("no INSTALLED_APPS")


def test_app_lands_in_apps_under_its_full_name_and_registered(project):
    before = installed_apps(project)

    call_command("startapp", "blog", verbosity=0)

    assert 'name = "apps.blog"' in (project / "apps/blog/apps.py").read_text()
    assert installed_apps(project) == [*before, "apps.blog"]
    assert {path.name for path in (project / "apps/blog").iterdir()} == {
        "__init__.py",
        "admin.py",
        "apps.py",
        "migrations",
        "models.py",
        "tests.py",
        "urls.py",
        "views.py",
    }


def test_app_that_exists_is_left_alone(project):
    (project / "apps/blog").mkdir()
    (project / "apps/blog/models.py").write_text("precious")

    with pytest.raises(CommandError, match=r"apps/blog already exists\. Choose another name"):
        call_command("startapp", "blog", verbosity=0)

    assert (project / "apps/blog/models.py").read_text() == "precious"


@pytest.mark.parametrize("name", ["my-blog", "1blog", "../blog", "django"])
def test_name_that_cannot_be_a_package_is_refused_and_leaves_nothing(project, name):
    before = installed_apps(project)

    with pytest.raises(CommandError, match=r"is not a valid app name|conflicts with the name of"):
        call_command("startapp", name, verbosity=0)

    assert list((project / "apps").iterdir()) == []
    assert installed_apps(project) == before


def test_directory_of_ones_own_gives_what_django_gives(project):
    (project / "elsewhere").mkdir()

    call_command("startapp", "blog", str(project / "elsewhere"), verbosity=0)

    assert not (project / "apps/blog").exists()
    assert (project / "elsewhere/apps.py").exists()


def test_settings_of_another_shape_are_left_alone_with_a_hint(project, capsys):
    path = project / "config/settings.py"
    path.write_text("INSTALLED_APPS = make_list()\n")

    call_command("startapp", "blog", verbosity=0)

    assert path.read_text() == "INSTALLED_APPS = make_list()\n"
    assert 'Add "apps.blog" to INSTALLED_APPS in config/settings.py' in capsys.readouterr().err
