"""Start of native mode: become the right user, update the environment, then hand over to commands.py."""

import errno
import os
import signal
import sys

from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import LAUNCHER, LAYOUT, ROOT
from django_compose_stack.native import environment, users

# These work with any Python: servers can be stopped even if nothing can be installed.
INDEPENDENT = ("stop", "down", "reset", "logs")
FIXES = {
    errno.EACCES: "Native mode writes to .venv, .native and .postgres; run it as the owner of this folder",
    errno.EPERM: "It may belong to another user; run this as that user",
    errno.EROFS: "Native mode writes to .venv, .native and .postgres; copy the checkout to a writable disk",
    errno.ENOSPC: "Free some space on that disk: the environment needs 250 MB, a database 40 MB",
    errno.ENOLCK: "This filesystem cannot lock files; move the checkout to a local disk",
    errno.ENOTSUP: "This filesystem cannot lock files; move the checkout to a local disk",
}


def main(*words):
    """Run `words` in native mode, and return the exit status; commands.py lists the commands."""
    # Nothing here needs cleaning up, so Ctrl-C may end it anywhere, without a traceback. Python ignores SIGPIPE, and
    # the command would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if LAYOUT:
        raise Failure("`init` added the stack to this project, which it runs in Docker only", "Start Docker")
    try:
        if users.become_owner(ROOT):
            start_again(sys.executable, words)
        sys.dont_write_bytecode = False
        if not words or words[0] not in INDEPENDENT:
            enter_environment(words)
        from django_compose_stack.native import commands

        return commands.main(*words)
    except OSError as error:
        if error.errno not in FIXES:
            raise
        raise Failure(f"{error.filename or ROOT}: {error.strerror}", FIXES[error.errno]) from error


def enter_environment(words):
    """Go on if this is the Python of an up-to-date environment; else update it, and start again with its Python."""
    is_new = os.environ.pop("NATIVE_MADE_ENVIRONMENT", None)
    if not environment.is_current(sys.executable):
        if is_new:
            raise Failure(f"{environment.VENV} is new and does not work", f"rm -r '{environment.VENV}', then try again")
        if not environment.is_promising():
            environment.make()
            os.environ["NATIVE_MADE_ENVIRONMENT"] = "1"
        start_again(str(environment.PYTHON), words)
    # After this package, which may be in a wheel: no other copy of it must win.
    sys.path[1:1] = [str(environment.site_packages())]


def start_again(python, words):
    os.execv(python, [python, "-BIS", str(ROOT / LAUNCHER), "native", *words])
