"""Hold debugpy's port until the supervisor ends, and join the process that does."""

import os
import socket
import time
from contextlib import suppress

from .. import ipc

POLL = 0.2  # seconds between two looks whether an editor is attached
BREAKPOINTS_TIMEOUT = 1.0  # seconds that an attached editor gets to send its breakpoints before requests are answered


def hold(fd: int, host: str, port: int) -> None:
    """Listen at `host` and `port`, and tell the supervisor on the socket `fd` how to join."""
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    found = {}
    try:
        from debugpy.server import api

        settrace = api._settrace

        def note(**arguments):  # debugpy does not say otherwise where its adapter takes subprocesses.
            found.update({name: arguments[name] for name in ("host", "port", "access_token")})
            return settrace(**arguments)

        api._settrace = note
        api.listen((host, port))
    except Exception as error:
        ipc.send(sock, ipc.DebuggerPort(error=str(error) or type(error).__name__))
        return
    endpoint = ipc.DebuggerPort(**found, ppid=os.getpid())
    ipc.send(sock, endpoint)
    sock.settimeout(POLL)
    while True:
        with suppress(TimeoutError):
            if ipc.receive(sock)[0] is None:
                os._exit(0)
        if api.is_client_connected() != endpoint.is_attached:
            endpoint = endpoint._replace(is_attached=not endpoint.is_attached)
            ipc.send(sock, endpoint)


def join(endpoint: dict) -> None:
    """Join the process that holds the port from a worker, and give an attached editor time to send its breakpoints."""
    from debugpy.server import api

    where = {name: endpoint[name] for name in ("host", "port", "access_token", "ppid")}
    api._settrace(**where, suspend=False, patch_multiprocessing=False, wait_for_ready_to_run=False)
    deadline = time.monotonic() + BREAKPOINTS_TIMEOUT * endpoint["is_attached"]
    while time.monotonic() < deadline and not api.is_client_connected():
        time.sleep(0.01)
