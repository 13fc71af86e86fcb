"""A stand-in for the module `daphne.server`, which daphne's app imports.

That module makes an event loop and Twisted's reactor when it is imported, and what they open would end the snapshots.
Neither is needed: uvicorn's protocols serve the application.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

NAME = "daphne.server"


class StandIn(MetaPathFinder, Loader):
    """on_start: called where daphne's own command starts its server, which it does when it comes first."""

    def __init__(self, on_start):
        self.on_start = on_start

    def install(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(NAME, self) if name == NAME else None

    def exec_module(self, module) -> None:
        class Server:
            def __init__(server, *args, **options):
                self.on_start()

        module.Server = Server
