"""It works wherever manage.py, the settings and the package itself are."""

import sys

import pytest

from .environments import build_wheel, make_environment, site_packages, source_copy, uv
from .site import FILES, IS_INSTALLED, copy_package

WHERE = ("HttpResponse(VERSION)", "HttpResponse(f'{VERSION} {__import__(\"django_fast_reload\").__file__}')")


def edit_and_compare(site, expected: str = "{version}") -> None:
    assert site.text() == expected.format(version="0000")
    for number in range(3):
        site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
        assert site.text() == expected.format(version=f"{number + 1:04}")
    assert site.status()["generation"] == 4


@pytest.mark.parametrize("name", ["run.py", "manage", "tools/dev.py"])
def test_manage_py_of_any_name(fresh_site, name):
    site = fresh_site
    text = FILES["manage.py"]
    if "/" in name:
        text = text.replace("import os, sys", "import os, sys\nsys.path.insert(0, os.getcwd())")
    site.write(name, text)
    (site.root / "manage.py").unlink()

    site.start(command=[sys.executable, name])

    edit_and_compare(site)


def test_a_project_in_a_subfolder(fresh_site):
    site = fresh_site
    manage = f"{site.root.name}/manage.py"
    process_root, site.root = site.root, site.root.parent
    site.start(command=[sys.executable, manage])
    site.root = process_root

    edit_and_compare(site)
    site.edit("blog/data.json", '{"a": 1}', '{"a": 2}')
    assert '{\\"a\\": 2}' in site.text("/state")


@pytest.mark.parametrize("how", ["variable", "option"])
def test_settings_in_a_package(fresh_site, how):
    site = fresh_site
    base = FILES["config/settings.py"].replace("parent.parent", "parent.parent.parent")
    (site.root / "config/settings.py").unlink()
    site.write("config/settings/__init__.py", "")
    site.write("config/settings/base.py", base)
    site.write("config/settings/dev.py", "from .base import *\n")
    if how == "variable":
        site.start(DJANGO_SETTINGS_MODULE="config.settings.dev")
    else:
        site.start("--settings", "config.settings.dev")
    assert '"settings": "settings"' in site.text("/state")

    site.edit("config/settings/base.py", 'WORD = "settings"', 'WORD = "base"')
    assert '"settings": "base"' in site.text("/state")
    site.write("config/settings/dev.py", "from .base import *\nWORD = 'dev'\n")
    assert '"settings": "dev"' in site.text("/state")


@pytest.mark.skipif(IS_INSTALLED, reason="the package is installed already")
def test_a_copy_among_the_projects_own_packages(fresh_site):
    site = fresh_site
    (site.root / "django_fast_reload").rename(site.root / "moved")
    copy_package(site.root / "tools/devserver")
    site.write("tools/__init__.py", "")
    site.edit("manage.py", "from django_fast_reload import", "from tools.devserver import")
    site.edit("config/settings.py", '"django_fast_reload"', '"tools.devserver"')

    site.start()

    edit_and_compare(site)


@pytest.mark.skipif(IS_INSTALLED, reason="the package is installed already")
@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_an_installed_package(fresh_site, tmp_path, how):
    site = fresh_site
    (site.root / "django_fast_reload").rename(tmp_path / "unused")
    python, source = make_environment(tmp_path / "env"), source_copy(tmp_path / "source")
    if how == "wheel":
        what, place = [build_wheel(source, tmp_path / "dist")], site_packages(python) / "django_fast_reload"
    else:
        what, place = ["--editable", source], source
    uv("pip", "install", "--quiet", "--no-deps", "--python", python, *what)
    site.edit("blog/views.py", *WHERE)

    site.start(command=[str(python), "manage.py"])

    edit_and_compare(site, f"{{version}} {place}/__init__.py")
    assert not (place / "tests").exists()
