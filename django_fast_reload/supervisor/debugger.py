"""debugpy across reloads, the supervisor's side.

A small process holds the port for as long as the server lives; an editor attaches to it. Each worker that serves joins
as its subprocess, which editors follow by themselves.
"""

import json
import os
import selectors
import sys
from collections.abc import Callable

from .. import ipc
from ..package import MAIN
from .terminal import Terminal


class Debugger:
    """DEVSERVER_DEBUGPY is the address to listen at: 5678, or 0.0.0.0:5678.

    on_ready: called once the port is held, or can't be, or where no debugger is wanted.
    """

    def __init__(self, environment: dict[bytes, bytes], loop, terminal: Terminal, on_ready: Callable[[], None]):
        self.address = environment.get(b"DEVSERVER_DEBUGPY", b"").decode()
        self.environment, self.loop, self.terminal, self.on_ready = environment, loop, terminal, on_ready
        self.endpoint: dict = {}  # fields of DebuggerPort; empty while nobody holds it
        self.sock = None
        self.is_ready = False

    def start(self) -> None:
        if not self.address:
            self.on_ready()
            return
        self.sock, theirs = ipc.pair()
        theirs.set_inheritable(True)
        host, _, port = self.address.rpartition(":")
        what = json.dumps([theirs.fileno(), host or "127.0.0.1", int(port)])
        os.posix_spawn(sys.executable, [sys.executable, MAIN, "debug", what], self.environment)
        theirs.close()
        self.loop.register(self.sock, selectors.EVENT_READ, self.on_readable)

    def on_readable(self) -> None:
        message, _ = ipc.receive(self.sock)
        if message is None:
            self.loop.unregister(self.sock)
            self.endpoint.clear()
        elif message.error:
            self.terminal.say(f"No debugger at {self.address}: {message.error}")
        else:
            if not self.endpoint:
                self.terminal.say(f"An editor can attach at {self.address}.")
            self.endpoint.update(message._asdict())
        if not self.is_ready:
            self.is_ready = True
            self.on_ready()
