"""Run manage.py with the recorder and the snapshots in place.

This starts as a fresh interpreter, so what it loads is what `python manage.py runserver` would load.
"""

import os
import runpy
import sys
import types

from .. import ipc
from .daphne_server import StandIn
from .error_report import describe
from .snapshotter import Snapshotter
from .start import begin, install

snapshotter: Snapshotter | None = None  # None in any other process


def main(fd: int, journal: int, package_digest: str, root: str, as_module: bool, argv: list[str]) -> None:
    """Run `argv` as the interpreter would run it, and tell the supervisor how it went.

    fd, journal, package_digest: see `begin`.
    argv: script or module name, then its arguments.
    """
    global snapshotter
    os.environ["RUN_MAIN"] = "true"  # as Django's own reloader has it
    snapshotter = begin(fd, journal, package_digest, root)
    recorder = snapshotter.recorder
    recorder.before_bind = decline_for_another_command
    StandIn(decline_for_another_command).install()
    install(snapshotter)
    # With --noreload Django lets errors through instead of keeping them for a reloader of its own.
    sys.argv = [*argv, "--noreload"]
    try:
        run(as_module, argv[0])
        failure = RuntimeError(f"{argv[0]} ended without starting a server.")
    except BaseException as error:
        if not recorder.is_loading:
            raise  # A deliberate stop: an ordinary exit, with exit handlers.
        failure = error
    fail(failure)


def run(as_module: bool, target: str) -> None:
    if as_module:
        sys.path[0] = os.getcwd()
        runpy.run_module(target, run_name="__main__", alter_sys=True)
        return
    sys.path[0] = os.path.dirname(os.path.realpath(target))
    path = os.path.abspath(target)
    snapshotter.checkpoint(path)
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __cached__=None, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    exec(code, main.__dict__)


def serve(command, options: dict, kind: type | None = None) -> None:
    """Load the whole project and serve it. Called by the `runserver` command; never returns.

    kind: a class of server of the command's own.
    """
    from .protocol import server_class

    snapshotter.recorder.before_bind = lambda: None
    server = (kind or server_class(options))(command, options, snapshotter)
    server.load()
    server.run()


def fail(error: BaseException) -> None:
    """Report the error and end; the snapshots taken on the way stay."""
    recorder = snapshotter.recorder
    recorder.flush()
    recorder.send(ipc.Failed(describe(error, recorder.project)))
    snapshotter.finalize(recorder.count)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)


def decline_for_another_command() -> None:
    """Leave the project to the `runserver` of another app, which is about to listen itself."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").endswith(".management.commands.runserver"):
            from django.core.management import get_commands

            owner = get_commands()["runserver"]
            decline(f"There is no fast reload: `runserver` comes from {owner}.")
        frame = frame.f_back


def decline(reason: str) -> None:
    """Leave the project to Django's own server."""
    snapshotter.recorder.send(ipc.Declined(reason))
    os._exit(0)
