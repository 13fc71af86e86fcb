"""Start of native mode: become the right user, make the environment current, then hand over to commands.py."""

import errno
import os
import signal
import sys

from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import LAUNCHER, ROOT
from django_compose_stack.native import environment, users

# These work with any Python: what runs can be ended even if nothing can be installed.
INDEPENDENT = ("stop", "down", "reset", "logs")
CURES = {
    errno.EACCES: "Native mode writes .venv, .native and .postgres; run it as the owner of this folder",
    errno.EPERM: "It may belong to another user; run as that user",
    errno.EROFS: "Native mode writes .venv, .native and .postgres; copy the checkout to a disk that can be written",
    errno.ENOSPC: "Free some space on that disk: the environment takes 250 MB, a database 40 MB",
    errno.ENOLCK: "This filesystem cannot lock files; move the checkout to a local disk",
    errno.ENOTSUP: "This filesystem cannot lock files; move the checkout to a local disk",
}




def main(words):
    """Run `words` in native mode, and return the exit status; commands.py lists what they may be."""
    # Nothing here needs to clean up behind itself, so Ctrl-C may end it anywhere, without a traceback. Python
    # ignores SIGPIPE, which the command would inherit.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        if users.become_owner(ROOT):
            start_again(sys.executable, words)
        sys.dont_write_bytecode = False
        if words[:1] and words[0] in INDEPENDENT:
            from django_compose_stack.native import commands

            return commands.main(words)
        if not environment.is_current(sys.executable):
            if os.environ.pop("NATIVE_MADE_ENVIRONMENT", None):
                raise Failure(f"{environment.VENV} does not work although it is new", f"rm -r '{environment.VENV}'")
            if not environment.is_promising():
                environment.make()
                os.environ["NATIVE_MADE_ENVIRONMENT"] = "1"
            start_again(str(environment.PYTHON), words)
        os.environ.pop("NATIVE_MADE_ENVIRONMENT", None)
        # Behind this package, which may be a wheel: nothing else on the path is to win over what was started.
        sys.path[1:1] = [str(environment.site_packages())]

        from django_compose_stack.native import commands

        return commands.main(words)
    except Failure as failure:
        print(f"stack: {failure}", file=sys.stderr)
    except OSError as error:
        if error.errno not in CURES:
            raise
        print(f"stack: {error.filename or ROOT}: {error.strerror}. {CURES[error.errno]}.", file=sys.stderr)
    return 1


def start_again(python, words):
    os.execv(python, [python, "-IS", str(ROOT / LAUNCHER), "native", *words])
