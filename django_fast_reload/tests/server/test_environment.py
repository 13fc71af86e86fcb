"""Changed requirements are installed, a changed .env is read again."""

import sys
import venv

import pytest


@pytest.fixture
def python(tmp_path):
    """An environment of its own, which sees the packages of this one."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    site_packages = next((tmp_path / "env/lib").glob("*/site-packages"))
    (site_packages / "outer.pth").write_text("\n".join(packages))
    return tmp_path / "env/bin/python"


@pytest.fixture
def installer(tmp_path, python):
    """A stand-in for uv: it installs each line of the lock as an empty module, or fails as the lock says."""
    path = python.with_name("uv")
    path.write_text(f"""#!{sys.executable}
import pathlib, sys
lines = pathlib.Path(sys.argv[-1]).read_text().split()
if "bad" in lines:
    sys.exit("no such package: bad")
[folder] = pathlib.Path({str(python.parent.parent / "lib")!r}).glob("*/site-packages")
for name in lines:
    (folder / f"{{name}}.py").write_text("")
""")
    path.chmod(0o755)


def test_a_new_requirement_is_installed_and_live(fresh_site, python, installer):
    site = fresh_site
    site.write("requirements.txt", "")
    site.edit("blog/views.py", "import os,", "import brandnew, os,")
    site.start(command=[str(python), "manage.py"], DEVSERVER_REQUIREMENTS="requirements.txt")
    assert site.get()[0] == 500

    site.write("requirements.txt", "brandnew\n")

    site.until(lambda: site.get() == (200, b"0000"))
    assert "requirements.txt changed: installing." in site.log.read_text()


def test_a_failed_installation_leaves_the_old_environment(fresh_site, python, installer):
    site = fresh_site
    site.write("requirements.txt", "")
    site.start(command=[str(python), "manage.py"], DEVSERVER_REQUIREMENTS="requirements.txt")

    site.write("requirements.txt", "bad\n")

    site.until(lambda: "no such package: bad" in site.log.read_text())
    assert site.get() == (200, b"0000")
    assert site.status()["notice"] == {
        "title": "requirements.txt could not be installed",
        "text": "no such package: bad",
    }


def test_dotenv_is_read_again(fresh_site):
    site = fresh_site
    site.edit(
        "config/settings.py",
        'WORD = "settings"',
        """
import os
try:
    for line in open(BASE_DIR / ".env"):
        os.environ.setdefault(*line.strip().split("="))
except FileNotFoundError:
    pass
WORD = os.environ.get("WORD", "unset") + os.environ.get("FIXED", "")
""",
    )
    site.start(FIXED="1")
    assert '"settings": "unset1"' in site.text("/state")

    site.write(".env", "WORD=one\n")
    assert '"settings": "one1"' in site.text("/state")
    site.write(".env", "WORD=two\nFIXED=2\n")

    assert '"settings": "two1"' in site.text("/state")
    assert ".env: the change of FIXED needs a restart. " in site.log.read_text()
