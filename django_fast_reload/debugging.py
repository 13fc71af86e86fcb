"""debugpy that stays attached across reloads.

One small process holds the port and lives as long as the server; an editor attaches to it. Each process that serves
joins as its subprocess, which editors follow by themselves.
"""

import json
import os
import selectors
import socket
import sys
import time

from . import channel
from .entry import ENGINE

LOOK = 0.2  # seconds between two looks whether an editor is attached
BREAKPOINTS = 1.0  # seconds that an attached editor gets to send its breakpoints before requests are answered


class Debugger:
    """The supervisor's side. DEVSERVER_DEBUGPY is the address to listen at: 5678, or 0.0.0.0:5678.

    ready: called once the port is held, or can't be.
    """

    def __init__(self, environment: dict[bytes, bytes], loop, terminal, ready):
        self.address = environment.get(b"DEVSERVER_DEBUGPY", b"").decode()
        self.environment, self.loop, self.terminal, self.ready = environment, loop, terminal, ready
        self.endpoint: dict | None = None
        self.sock = None

    def start(self) -> None:
        if not self.address:
            self.ready()
            return
        self.sock, theirs = channel.pair()
        theirs.set_inheritable(True)
        host, _, port = self.address.rpartition(":")
        what = json.dumps([theirs.fileno(), host or "127.0.0.1", int(port)])
        os.posix_spawn(sys.executable, [sys.executable, ENGINE, "debug", what], self.environment)
        theirs.close()
        self.loop.register(self.sock, selectors.EVENT_READ, self.hear)

    def hear(self) -> None:
        message, _ = channel.receive(self.sock)
        first = self.endpoint is None
        if message is None:
            self.loop.unregister(self.sock)
            self.endpoint = None
        elif "error" in message:
            self.terminal.say(f"No debugger at {self.address}: {message['error']}")
        elif first:
            self.endpoint = message
            self.terminal.say(f"An editor can attach at {self.address}.")
        else:
            self.endpoint |= message
        if first:
            self.ready()


def hold(fd: int, host: str, port: int) -> None:
    """Be the process that holds the port, until the supervisor ends."""
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    found = {}
    try:
        from debugpy.server import api

        settrace = api._settrace

        def note(**arguments):  # debugpy does not tell otherwise where its adapter takes subprocesses.
            found.update({name: arguments[name] for name in ("host", "port", "access_token")})
            return settrace(**arguments)

        api._settrace = note
        api.listen((host, port))
    except Exception as error:
        channel.send(sock, {"error": str(error) or type(error).__name__})
        return
    channel.send(sock, {**found, "ppid": os.getpid(), "attached": False})
    attached = False
    while True:
        sock.settimeout(LOOK)
        try:
            if channel.receive(sock)[0] is None:
                os._exit(0)
        except TimeoutError:
            pass
        if api.is_client_connected() != attached:
            attached = not attached
            channel.send(sock, {"attached": attached})


def preload() -> None:
    """Import the debugger before the project, so that snapshots have it."""
    from debugpy.server import api  # noqa: F401


def join(endpoint: dict) -> None:
    """Join the debugger that `hold` holds, and give an attached editor time to send its breakpoints."""
    from debugpy.server import api

    where = {name: endpoint[name] for name in ("host", "port", "access_token", "ppid")}
    api._settrace(**where, suspend=False, patch_multiprocessing=False, wait_for_ready_to_run=False)
    deadline = time.monotonic() + BREAKPOINTS * endpoint["attached"]
    while time.monotonic() < deadline and not api.is_client_connected():
        time.sleep(0.01)
