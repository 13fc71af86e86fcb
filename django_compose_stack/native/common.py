"""What every part of native mode needs: its state folder, and locks."""

import fcntl
import os
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

from django_compose_stack.host.process import say
from django_compose_stack.host.project import ROOT

STATE = ROOT / ".native"


def try_lock(path):
    """Lock a file, created if needed, and return its descriptor; None if another process holds the lock.

    A child that inherits the descriptor keeps the lock until it ends, however it ends. So a lock shows more reliably
    that a process is alive than a process id in a file, which another process may have by now.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path):
    """Return whether a process holds the lock of a file. This works on a read-only disk too."""
    try:
        descriptor = os.open(str(path), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def start_server(command, lock, log, **options):
    """Start a process in the background that outlives this one and holds the lock, a descriptor, until it ends."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=[lock], **options
    )


@contextmanager
def one_at_a_time():
    """Let one process of this checkout at a time change its state; others wait. Yields the descriptor of the lock."""
    descriptor = try_lock(STATE / "lock")
    if descriptor is None:
        say("waiting for another command in this folder to finish")
        descriptor = os.open(str(STATE / "lock"), os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def one_checkout_at_a_time():
    """Let one checkout of this user at a time look for a free port and listen on it. Without such a file, let all."""
    with ExitStack() as stack:
        with suppress(OSError):
            lock = stack.enter_context((Path(gettempdir()) / f"django-compose-stack-{os.getuid()}").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
