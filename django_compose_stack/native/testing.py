"""Servers for tests: new for each command, in memory, and gone with it."""

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
    """Yield a server that lives as long as the context: new, not durable, in memory where there is enough.

    What a killed command left is taken away by the next one, and by `make down`.
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
        os.close(in_use)
        remove(folder)


def folders():
    """Return where servers for tests are kept, the preferred folder first."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    fits = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).total >= MEMORY_NEEDED
    return [MEMORY, STATE] if fits else [STATE]


def prefix():
    """Return what tells this checkout from others, wherever it is moved."""
    here = ROOT.stat()
    return f"native-{os.geteuid()}-{here.st_dev:x}-{here.st_ino:x}"


def sweep():
    """Take away the servers for tests whose command is gone."""
    with one_at_a_time():
        for folder in [found for parent in folders() for found in parent.glob(f"{prefix()}-*")]:
            in_use = try_lock(folder / "in-use")
            if in_use is not None:
                Server("an old test database", folder, NOT_DURABLE).stop(signal.SIGQUIT)
                os.close(in_use)
                remove(folder)
