"""There is never a `runserver` without fast reload and without a message about it."""

import subprocess
import sys

import pytest

from .site import FILES

# As much of these packages as the order concerns.
RUNSERVERS = {
    "daphne": """
        from django.core.management.commands.runserver import Command as Base
        class Command(Base):
            def inner_run(self, *args, **options):
                self.stdout.write("daphne runs")
    """,
    "channels": """
        from django.core.management.commands.runserver import Command as Base
        class Command(Base):
            def inner_run(self, *args, **options):
                self.stdout.write("channels runs")
    """,
    "tornado_server": """
        from django.core.management.commands.runserver import Command as Base
        class Command(Base):
            def inner_run(self, *args, **options):
                self.stdout.write("tornado_server runs")
                self.stdout.flush()
    """,
    "other": """
        from django.contrib.staticfiles.management.commands.runserver import Command
    """,
    "whitenoise.runserver_nostatic": """
        from importlib import import_module
        from django.apps import apps
        names = [config.name for config in apps.get_app_configs()]
        for name in names[names.index("whitenoise.runserver_nostatic") + 1:]:
            try:
                Base = import_module(f"{name}.management.commands.runserver").Command
                break
            except ImportError:
                pass
        class Command(Base):
            def add_arguments(self, parser):
                super().add_arguments(parser)
                parser.set_defaults(use_static_handler=False)
    """,
    "django_extensions": None,  # It has a runserver_plus, and no runserver.
}


def write_app(site, name):
    folder = name.replace(".", "/")
    if "/" in folder:
        site.write(f"{folder.partition('/')[0]}/__init__.py", "")
    site.write(f"{folder}/__init__.py", "")
    site.write(f"{folder}/management/__init__.py", "")
    site.write(f"{folder}/management/commands/__init__.py", "")
    code = RUNSERVERS[name]
    lines = (code or "").strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    command = "runserver" if code else "runserver_plus"
    site.write(f"{folder}/management/commands/{command}.py", "\n".join(line[indent:] for line in lines))


def check(site, *options):
    command = [sys.executable, *options, "manage.py", "check"]
    done = subprocess.run(command, cwd=site.root, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def set_apps(site, *names):
    """Put these apps, of which "-" is the fast reload, ahead of the others."""
    text = FILES["config/settings.py"].replace('"django_fast_reload", ', "")
    if "django.contrib.staticfiles" in names:
        text = text.replace('"django.contrib.messages", "django.contrib.staticfiles"', '"django.contrib.messages"')
    listed = "".join(f'"{"django_fast_reload" if name == "-" else name}", ' for name in names)
    site.write("config/settings.py", text.replace("INSTALLED_APPS = [", f"INSTALLED_APPS = [{listed}"))


def test_the_right_order_is_quiet(fresh_site):
    assert check(fresh_site) == (0, "System check identified no issues (0 silenced).\n")


def test_other_commands_do_not_load_the_server(fresh_site):
    status, text = check(fresh_site, "-X", "importtime")

    assert status == 0
    assert "django_fast_reload.checks\n" in text
    assert "servers.basehttp" not in text


@pytest.mark.parametrize("entry", ["django_fast_reload", "django_fast_reload.apps.FastReloadConfig"])
def test_after_staticfiles(fresh_site, entry):
    site = fresh_site
    site.edit("config/settings.py", '"django_fast_reload", ', "")
    site.edit("config/settings.py", '"blog", "shop"', f'"{entry}", "blog", "shop"')

    status, text = check(site)

    assert status == 1
    assert "(fast_reload.E001) There is no fast reload: `runserver` comes from django.contrib.staticfiles" in text
    assert f'In INSTALLED_APPS, move "{entry}" to the line before "django.contrib.staticfiles".' in text


def test_the_server_itself_says_it_too(fresh_site):
    site = fresh_site
    set_apps(site, "django.contrib.staticfiles", "-")
    site.write("manage.py", FILES["manage.py"].replace("take_over(sys.argv)", "pass"))

    site.start(wait=False)

    site.until(lambda: "fast_reload.E001" in site.log.read_text(), 60)


@pytest.mark.parametrize("name", ["other", "daphne", "channels", "tornado_server"])
def test_after_another_app_with_a_runserver(fresh_site, name):
    site = fresh_site
    write_app(site, name)
    set_apps(site, name, "-")

    status, text = check(site)

    # An error would keep a server of its own from starting, and to move the line would change nothing.
    # Those that stand for ASGI are replaced, so there the order counts.
    is_own = name == "tornado_server"
    assert status == (0 if is_own else 1)
    assert (f'move "django_fast_reload" to the line before "{name}".' in text) == (not is_own)
    assert ("fast_reload.W001" in text) == is_own


def test_a_server_of_its_own_is_used_with_a_warning(fresh_site):
    site, name = fresh_site, "tornado_server"
    write_app(site, name)
    set_apps(site, "-", name)

    status, text = check(site)
    assert status == 0
    assert f"(fast_reload.W001) There is no fast reload: {name} brings a server of its own" in text

    site.start(wait=False)
    site.until(lambda: f"{name} runs" in site.log.read_text(), 60)
    assert "brings a server of its own, so there is no fast reload." in site.log.read_text()


@pytest.mark.parametrize("names", [("whitenoise.runserver_nostatic", "-"), ("-", "whitenoise.runserver_nostatic")])
def test_whitenoise_works_in_either_order(fresh_site, names):
    """Its runserver is made of the next app's, and so of this one."""
    site = fresh_site
    write_app(site, names[0] if names[1] == "-" else names[1])
    set_apps(site, *names)
    assert check(site)[0] == 0

    site.start()
    site.edit("blog/views.py", '"0000"', '"0001"')

    assert site.text() == "0001"
    assert site.status()["generation"] == 2
    assert site.get("/static/site.css")[0] == 404


def test_django_extensions_may_come_first(fresh_site):
    write_app(fresh_site, "django_extensions")
    set_apps(fresh_site, "django_extensions", "-")

    assert check(fresh_site)[0] == 0


def test_production_is_left_alone(fresh_site):
    """A wrong order must not end a deployment: its commands run the checks too."""
    site = fresh_site
    set_apps(site, "django.contrib.staticfiles", "-")
    site.edit("config/settings.py", "DEBUG = True", "DEBUG = False")

    assert check(site)[0] == 0


def test_an_app_whose_management_is_a_module(fresh_site):
    site = fresh_site
    site.write("dbsettings/__init__.py", "")
    site.write("dbsettings/management.py", "")
    set_apps(site, "-", "dbsettings")
    site.write("manage.py", FILES["manage.py"].replace("take_over(sys.argv)", "pass"))

    site.start()

    assert site.get("/")[0] == 200
