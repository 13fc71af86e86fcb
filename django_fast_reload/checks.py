"""System checks: there is never a `runserver` without fast reload and without a message about it."""

from importlib import import_module

from django.conf import settings
from django.core.checks import Error, Warning
from django.core.management import get_commands, load_command_class

from . import asgi
from .next_command import next_owner

OWN = __name__.rpartition(".")[0]
# Their `runserver` has no server of its own.
DJANGOS = ("django.core", "django.contrib.staticfiles")


def check_runserver(app_configs, **kwargs):
    """Compare the `runserver` that Django finds with this app's."""
    if not settings.DEBUG:
        return []  # Production runs no `runserver`; its commands must not fail because of one.
    owner = get_commands()["runserver"]
    if owner == OWN and next_owner(OWN, "runserver") in DJANGOS and not asgi.is_wanted({}):
        return []  # Every command checks; to load this one takes some twentieth of its time.

    from django.core.management.commands.runserver import Command as DjangoCommand

    from . import takeover

    found = type(load_command_class(owner, "runserver"))
    messages = []
    if found.inner_run is not DjangoCommand.inner_run and not asgi.replaces(found):
        app = found.inner_run.__module__.partition(".management.")[0]
        if worker := takeover.current_worker():
            worker.decline(f"There is no fast reload: {app} brings a server of its own.")
        messages.append(
            Warning(
                f"There is no fast reload: {app} brings a server of its own, which is used instead.",
                hint=f'Remove "{entry(app)}" from INSTALLED_APPS while DEBUG is on, unless you need its server.',
                id="fast_reload.W001",
            )
        )
    elif not issubclass(found, import_module(f"{OWN}.management.commands.runserver").Command):
        messages.append(
            Error(
                f"There is no fast reload: `runserver` comes from {owner}, the first app that has one.",
                hint=f'In INSTALLED_APPS, move "{entry(OWN)}" to the line before "{entry(owner)}".',
                id="fast_reload.E001",
            )
        )
    elif asgi.is_wanted({}) and asgi.obstacle():
        messages.append(Error(asgi.MISSING, hint=asgi.INSTALL, id="fast_reload.E002"))
    return messages


def entry(app: str) -> str:
    """Return the line of INSTALLED_APPS that names an app: the app itself or its configuration class."""
    names = [name for name in settings.INSTALLED_APPS if name == app or name.startswith(f"{app}.apps.")]
    return names[0] if names else app
