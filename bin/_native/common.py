"""What every part of bin/native needs: where things are, messages, locks."""

import fcntl
import os
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".native"


class Failure(Exception):
    """Ends bin/native with status 1 and a message: what is wrong, then the cure."""

    def __init__(self, problem, cure):
        # A problem of several lines ends with somebody else's words.
        super().__init__(f"{problem}{'' if chr(10) in problem else '.'}\nCure: {cure}.")


def say(text):
    # Standard output belongs to the command, which may be writing a dump to it.
    print(f"bin/native: {text}", file=sys.stderr, flush=True)


def try_lock(path):
    """Lock a file, made if need be, and return its descriptor; None where another process holds the lock.

    A child that inherits the descriptor keeps the lock until it ends, however it ends. That makes a lock a better
    sign of life than a process id in a file, which another process may have by now.
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
    """Say whether some process holds the lock of a file. It works on a read-only disk too."""
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


@contextmanager
def one_at_a_time():
    """Let one bin/native of this checkout change things, while others wait. Yields the lock's descriptor."""
    descriptor = try_lock(STATE / "lock")
    if descriptor is None:
        say("waiting for another bin/native in this folder")
        descriptor = os.open(str(STATE / "lock"), os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
