"""A save is live wherever the file lies, and whatever leads to it."""

import pytest

from .site import FILES


@pytest.mark.parametrize("kind", ["file", "chain", "folder", "dot folder", "folder inside a linked folder"])
def test_a_template_is_live_wherever_it_lies(fresh_site, tmp_path, kind):
    site = fresh_site
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    place, name = site.root / "templates", "sub/other.html"
    path = outside / "other.html"
    if kind == "file":
        (place / "sub").mkdir()
        (place / name).symlink_to(path)
    elif kind == "chain":
        (place / "sub").mkdir()
        (tmp_path / "middle.html").symlink_to(path)
        (place / name).symlink_to("../../../middle.html")
    elif kind == "folder":
        (place / "sub").symlink_to(outside)
    elif kind == "folder inside a linked folder":
        (place / "sub").symlink_to(outside)
        name, path = "sub/deep/other.html", outside / "deep/other.html"
    else:
        name = ".sub/other.html"
        path = place / name
        path.parent.mkdir()
    path.write_text("one")
    site.edit("blog/views.py", '"page.html"', f'"{name}"')
    site.start()
    assert site.text("/page") == "one"

    for text in ("two", "three"):
        path.write_text(text)
        assert site.text("/page") == text


@pytest.mark.parametrize("kind", ["file", "folder", "middle"])
def test_a_symlink_to_a_template_that_is_led_elsewhere(fresh_site, tmp_path, kind):
    site = fresh_site
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.html").write_text(name)
    link = site.root / "templates/sub"
    if kind == "middle":
        link.symlink_to(tmp_path / "middle")
        link = tmp_path / "middle"
    elif kind == "file":
        link.mkdir()
        link = link / "page.html"
    place = "page.html" if kind == "file" else "."
    link.symlink_to(tmp_path / "one" / place)
    site.edit("blog/views.py", '"page.html"', '"sub/page.html"')
    site.start()
    assert site.text("/page") == "one"

    (tmp_path / "new").symlink_to(tmp_path / "two" / place)
    (tmp_path / "new").rename(link)
    assert site.text("/page") == "two"

    (tmp_path / "two/page.html").write_text("three")
    assert site.text("/page") == "three"


def test_an_app_behind_a_link_that_is_led_elsewhere(fresh_site):
    site = fresh_site
    for name in ("one", "two"):
        for file in ("__init__.py", "models.py", "urls.py", "views.py"):
            site.write(f"versions/{name}/{file}", FILES[f"shop/{file}"].replace('"shop"', f'"{name}"'))
    link = site.root / "shop"
    site.start()
    assert site.text("/shop/") == "shop"
    link.rename(site.root / "versions/zero")

    for name in ("one", "two", "one"):
        (site.root / "new").symlink_to(f"versions/{name}")
        (site.root / "new").rename(link)
        assert site.text("/shop/") == name
        before = site.status()["generation"]
        site.edit(f"versions/{name}/views.py", f'"{name}"', f'"{name}!"')
        assert site.text("/shop/") == f"{name}!"
        assert site.status()["generation"] == before + 1
        site.edit(f"versions/{name}/views.py", f'"{name}!"', f'"{name}"')
        assert site.text("/shop/") == name


def test_a_middle_link_that_is_led_elsewhere(fresh_site, tmp_path):
    site = fresh_site
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(f"WORD = '{name}'\n")
    (tmp_path / "middle.py").symlink_to("one.py")
    (site.root / "blog/linked.py").symlink_to(tmp_path / "middle.py")
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(WORD)")
    site.edit("blog/views.py", "import os", "from .linked import WORD\nimport os")
    site.start()
    assert site.text() == "one"

    (tmp_path / "new").symlink_to("two.py")
    (tmp_path / "new").rename(tmp_path / "middle.py")

    assert site.text() == "two"


def test_a_folder_of_templates_that_the_settings_name_anew(fresh_site):
    """The first request may render a template that is saved right after it."""
    site = fresh_site
    site.write("more/page.html", "0")
    site.start()
    settings = FILES["config/settings.py"].replace('[BASE_DIR / "templates"]', '[BASE_DIR / "more"]')
    for is_broken in (False, True):
        site.restore("config/settings.py")
        assert site.text("/page") == "<p>0000 one</p>"
        if is_broken:
            site.write("blog/views.py", "1 / 0")
            site.get()
        site.write("config/settings.py", settings)
        site.get()
        site.restore("blog/views.py")

        for number in range(5):
            site.write("more/page.html", str(number))
            assert site.text("/page") == str(number)
