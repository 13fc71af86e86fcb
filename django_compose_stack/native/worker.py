"""The worker in the background: `python manage.py worker`, where the project has it (`make add SERVICE=worker`)."""

import os

from django_compose_stack.host.project import ROOT
from django_compose_stack.native import web
from django_compose_stack.native.common import STATE, start_server, try_lock

# Locked as long as one process of the worker lives. It contains the id of the first one.
LOCK = STATE / "worker"
LOG = STATE / "worker.log"


def is_wanted():
    from django_compose_stack.services import command

    return "worker" in command.added()


def running():
    return web.running(LOCK)


def start(environment):
    """Start the worker if it does not run."""
    lock = try_lock(LOCK)
    if lock is None:
        return
    try:
        os.ftruncate(lock, 0)
        options = {"cwd": ROOT, "env": {**environment, "PYTHONUNBUFFERED": "1"}}
        options["preexec_fn"] = lambda: os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        with LOG.open("wb") as log:
            start_server(["python", "manage.py", "worker"], lock, log, **options)
    finally:
        os.close(lock)


def stop():
    web.stop(LOCK)
