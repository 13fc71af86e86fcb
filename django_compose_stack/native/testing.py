"""Database servers for tests: one for each command, in memory, removed when it ends."""

import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

from django_compose_stack.host.project import ROOT
from django_compose_stack.native.common import STATE, one_at_a_time, try_lock
from django_compose_stack.native.environment import remove
from django_compose_stack.native.postgres import Server

MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 512 * 1024**2  # bytes
NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
}


@contextmanager
def throw_away():
    """Yield a new server, not durable, in memory if there is enough of it; the end of the context removes it.

    If the command is killed, the next one or `make down` removes its server.
    """
    sweep()
    with one_at_a_time():
        folder = Path(tempfile.mkdtemp(prefix=f"{prefix()}-", dir=folders()[0]))
        in_use = try_lock(folder / "in-use")
    server = Server("the test database", folder, NOT_DURABLE)
    try:
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        with one_at_a_time():  # Another command may be sweeping.
            os.close(in_use)
            remove(folder)


def folders():
    """Return the folders for servers of tests, the preferred one first."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    fits = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).total >= MEMORY_NEEDED
    return [MEMORY, STATE] if fits else [STATE]


def prefix():
    """Return a name that identifies this checkout, even after it is moved."""
    here = ROOT.stat()
    return f"native-{os.geteuid()}-{here.st_dev:x}-{here.st_ino:x}"


def sweep():
    """Remove the servers of tests whose command has ended."""
    with one_at_a_time():
        for folder in [found for parent in folders() for found in parent.glob(f"{prefix()}-*")]:
            in_use = try_lock(folder / "in-use")
            if in_use is not None:
                Server("an old test database", folder, NOT_DURABLE).stop(signal.SIGQUIT)
                os.close(in_use)
                remove(folder)
