"""Run pytest with the recorder and the snapshots in place.

It is an ordinary session up to the end of the collection, where the last snapshots are taken. Each run of tests is a
copy that goes on from there, or from an earlier one and collects the rest again.
"""

import atexit
import os
import sys
import types

from .. import database_template, ipc
from . import memory
from .error_report import describe
from .start import begin, install

MAX_ERROR = 16 * 1024  # characters


class Copied:
    """A stream that keeps what is written to it."""

    def __init__(self, stream):
        self.stream, self.text = stream, ""

    def write(self, text: str) -> int:
        self.text = (self.text + text)[-MAX_ERROR:]
        return self.stream.write(text)

    def __getattr__(self, name: str):
        return getattr(self.stream, name)


def main(fd: int, journal: int, package_digest: str, root: str, as_module: bool, argv: list[str]) -> None:
    """Run `argv`, which is pytest with its options, and report; the process ends when the supervisor says so.

    The other arguments: see worker.main.main.
    """
    snapshotter = begin(fd, journal, package_digest, root)
    # As the program of that name has them.
    sys.path[0] = os.path.dirname(sys.executable)
    sys.argv = argv
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.stderr = errors = Copied(sys.stderr)
    session = failure = None
    try:
        import pytest

        from . import collecting
        from .session import Session

        install(snapshotter)
        collecting.install(snapshotter)
        session = Session(snapshotter)
        pytest.main(argv[1:], plugins=[session])
        failure = ipc.plain_failure(errors.text.strip() or "pytest ended without running tests.")
    except BaseException as error:
        failure = describe(error, snapshotter.recorder.project)
    if session is None or not session.is_running:
        fail(snapshotter, failure)
    elif not session.is_cancelled:
        session.finish()
    end(snapshotter, session)


def fail(snapshotter, failure: ipc.Failure) -> None:
    """Report an error before the first test; the snapshots taken on the way stay."""
    recorder = snapshotter.recorder
    recorder.flush()
    recorder.send(ipc.Failed({**failure, "refusal": ""}))
    snapshotter.finalize(recorder.count)
    leave(1)


def end(snapshotter, session) -> None:
    """Do what is due at the exit of a process, as far as it concerns this run; then wait for the supervisor's word."""
    atexit._run_exitfuncs()
    snapshotter.finalize(session.position)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    recorder = snapshotter.recorder
    if not session.is_cancelled:
        recorder.send(
            ipc.Warm(memory.late_modules(recorder.project, session.modules), memory.own(), database_template.made)
        )
        while not isinstance(ipc.receive(recorder.sock)[0], ipc.Retire | ipc.Stop | None):
            pass
    leave(0)


def leave(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)  # No exit handlers: the snapshots go on using what those would remove.
