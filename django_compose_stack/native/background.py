"""A program of the project that runs in the background: the web server, the worker."""

import os
import signal
from contextlib import suppress

from django_compose_stack.host.process import Failure, wait_until
from django_compose_stack.host.project import ROOT, content
from django_compose_stack.native.common import STATE, is_locked, start_server, try_lock

STOP_TIMEOUT = 10  # seconds, for each signal
POLL = 0.02  # seconds


class Program:
    """name: of its log, and of the file that is locked as long as one of its processes lives.

    That file contains the id of the first process, and a note such as the address.
    """

    def __init__(self, name):
        self.lock, self.log = STATE / name, STATE / f"{name}.log"

    def running(self):
        """Return what the file contains, such as ("4711", "127.0.0.1:8000"); None if it is not running."""
        return tuple(content(self.lock).split()) if is_locked(self.lock) else None

    def start(self, words, environment, note="", check=lambda: None):
        """Start `python manage.py` with these words unless it runs. check: is called before, and may raise."""
        lock = try_lock(self.lock)
        if lock is None:
            return
        try:
            # Its content is that of the last process, and would make what that had look like this one's.
            os.ftruncate(lock, 0)
            check()
            options = {"cwd": ROOT, "env": {**environment, "PYTHONUNBUFFERED": "1"}}
            # The new process writes its own id.
            options["preexec_fn"] = lambda: os.pwrite(lock, f"{os.getpid()} {note}\n".encode(), 0)
            with self.log.open("wb") as log:
                start_server(["python", "manage.py", *words], lock, log, **options)
        finally:
            os.close(lock)

    def stop(self):
        """Stop it, and return when none of its processes is left."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = self.running()
            if not process:
                return
            # The lock proves that a process of this group lives, so no other group can have the id by now.
            with suppress(ProcessLookupError):
                os.killpg(int(process[0]), number)
            if wait_until(lambda: not is_locked(self.lock), STOP_TIMEOUT, POLL):
                return
        problem = f"a process that was started here still holds {self.lock}"
        raise Failure(problem, f"Find it with: fuser '{self.lock}', then stop it")
