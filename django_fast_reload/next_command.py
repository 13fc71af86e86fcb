"""Finds the command that one of the same name stands in front of, to build on it."""

from importlib import import_module
from pathlib import Path

from django.apps import apps
from django.core.management import BaseCommand, find_commands


def next_command(app: str, name: str) -> type[BaseCommand]:
    """Return the command that Django would use without the app: that of an app listed after it, or Django's own."""
    return import_module(f"{next_owner(app, name)}.management.commands.{name}").Command


def next_owner(app: str, name: str) -> str:
    """Return the package of the command that Django would use without the app, such as "django.core"."""
    configs = list(apps.get_app_configs())
    names = [config.name for config in configs]
    for config in configs[names.index(app) + 1 :] if app in names else []:
        # By Django's own rule: a module called management.py is no package, and find_spec would raise.
        if name in find_commands(str(Path(config.path, "management"))):
            return config.name
    return "django.core"
