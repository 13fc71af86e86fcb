"""The process that loads the project: runs manage.py with the recorder and the snapshots in place.

It starts as a fresh interpreter, so what it loads is what `python manage.py runserver` would load.
"""

import os
import runpy
import signal
import socket
import sys
import types

from . import channel, debugging, report
from .bytecode import Bytecode
from .project import Project
from .recorder import Recorder
from .snapshot import Snapshots

snapshots: Snapshots | None = None  # None in any other process


def main(fd: int, journal: int, root: str, as_module: bool, argv: list[str]) -> None:
    """Run `argv` as the interpreter would run it, and tell the supervisor how it went.

    argv: script or module name, then its arguments.
    """
    global snapshots
    live = socket.socket(fileno=fd)
    live.set_inheritable(False)
    os.set_inheritable(journal, False)
    orders, _ = channel.receive(live)
    recorder = Recorder(Project(root), live, channel.Journal(journal))
    snapshots = Snapshots(recorder, orders)
    # Control-C reaches every process of the terminal; the supervisor alone decides what it ends. A handler, not
    # SIG_IGN, because the programs that the project starts would inherit that.
    signal.signal(signal.SIGINT, lambda *_: None)
    if orders["debugger"]:
        debugging.preload()
    recorder.install(snapshots.checkpoint, Bytecode(orders["bytecode"]))
    # With --noreload Django lets errors through instead of keeping them for a reloader of its own.
    sys.argv = [*argv, "--noreload"]
    try:
        run(as_module, argv[0])
        failure = RuntimeError(f"{argv[0]} ended without starting a server.")
    except BaseException as error:
        if not recorder.loading:
            raise  # The server was told to stop: an ordinary exit, with exit handlers.
        failure = error
    fail(failure)


def run(as_module: bool, target: str) -> None:
    if as_module:
        sys.path[0] = os.getcwd()
        runpy.run_module(target, run_name="__main__", alter_sys=True)
        return
    sys.path[0] = os.path.dirname(os.path.realpath(target))
    path = os.path.abspath(target)
    snapshots.checkpoint(path)
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __cached__=None, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    exec(code, main.__dict__)


def fail(error: BaseException) -> None:
    """Report the error and end; the snapshots taken on the way stay."""
    recorder = snapshots.recorder
    recorder.flush()
    recorder.tell({"failed": report.describe(error, recorder.project)})
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)


def decline() -> None:
    """Leave the project to Django's own server."""
    snapshots.recorder.tell({"declined": True})
    os._exit(0)
