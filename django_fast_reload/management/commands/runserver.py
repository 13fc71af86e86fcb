"""`runserver` with the same command line and messages as Django's; docs/reload.md tells what it does."""

import sys
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.conf import settings
from django.core.management.commands.runserver import Command as DjangoCommand

from ... import entry


def next_command() -> type[DjangoCommand]:
    """Return the `runserver` that Django would use without this app: staticfiles', as a rule."""
    own = __name__.removesuffix(".management.commands.runserver")
    names = [config.name for config in apps.get_app_configs()]
    for name in names[names.index(own) + 1 :] if own in names else []:
        if find_spec(f"{name}.management") and find_spec(f"{name}.management.commands.runserver"):
            return import_module(f"{name}.management.commands.runserver").Command
    return DjangoCommand


class Command(next_command()):
    def run(self, **options):
        child = entry.child()
        # Servers of other kinds (ASGI) bring their own inner_run, and stay as they are.
        if not settings.DEBUG or type(self).inner_run is not DjangoCommand.inner_run:
            if child is not None:
                child.decline()
            super().run(**options)
        elif child is not None:
            self.serve(child, options)
        elif options["use_reloader"] and entry.is_possible():
            entry.restart_under_supervisor(self.addr, int(self.port), self.use_ipv6)
        else:
            super().run(**options)

    def serve(self, child, options):
        from ...serving import Server

        server = Server(self, options, child.snapshots)
        server.load()
        server.run()
        sys.exit(0)
