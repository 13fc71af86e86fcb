"""What is said beside the pages themselves: the results of the system checks, and what the server is at."""

from .. import ipc
from .endpoints import Endpoints
from .loader import Loader
from .terminal import Terminal


class Notices:
    def __init__(self, loader: Loader, terminal: Terminal, endpoints: Endpoints):
        self.loader, self.terminal, self.endpoints = loader, terminal, endpoints
        self.checks = ""

    def show(self, title: str, text: str) -> None:
        """Show a message in the open pages until the next load."""
        self.loader.load.notice = {"title": title, "text": text}
        self.endpoints.broadcast()

    def on_checks(self, message: ipc.Checks) -> None:
        """Print what the checks found, unless they found the same the last time; show errors in the page too."""
        if message.text != self.checks:
            self.checks = message.text
            self.terminal.say(self.checks or "System checks: no issues left.")
        if message.is_serious:
            self.show("System checks", self.checks)
