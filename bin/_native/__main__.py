"""Start of bin/native: become the right user, make the environment current, then hand over to commands.py."""

import errno
import os
import signal
import sys
from pathlib import Path

# Nothing is compiled to __pycache__ before this process has become the owner of the checkout.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _native import environment, users  # noqa: E402
from _native.common import ROOT, Failure  # noqa: E402

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


def main(python, words):
    # Nothing here needs to clean up behind itself, so Ctrl-C may end it anywhere, without a traceback. Python
    # ignores SIGPIPE, which the command would inherit.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        launcher = ["/bin/sh", str(ROOT / "bin/native"), *words]
        if users.become_owner(ROOT):
            os.execv(launcher[0], launcher)
        sys.dont_write_bytecode = False
        if words[:1] and words[0] in INDEPENDENT:
            from _native import commands

            return commands.main(words)
        if not environment.is_current(python):
            if os.environ.pop("NATIVE_MADE_ENVIRONMENT", None):
                raise Failure(f"{environment.VENV} does not work although it is new", f"rm -r '{environment.VENV}'")
            environment.make()
            os.environ["NATIVE_MADE_ENVIRONMENT"] = "1"
            os.execv(launcher[0], launcher)
        os.environ.pop("NATIVE_MADE_ENVIRONMENT", None)
        sys.path[1:1] = [str(ROOT), str(environment.site_packages())]

        from _native import commands

        return commands.main(words)
    except Failure as failure:
        print(f"bin/native: {failure}", file=sys.stderr)
    except OSError as error:
        if error.errno not in CURES:
            raise
        print(f"bin/native: {error.filename or ROOT}: {error.strerror}. {CURES[error.errno]}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
