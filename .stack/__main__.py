"""python3 .stack COMMAND: the program behind make, from the wheels in this folder. python3 .stack help lists it."""

import os
import shutil
import sys
from pathlib import Path

if sys.version_info < (3, 8):  # noqa: UP036
    sys.exit("python3 .stack needs Python 3.8 or newer, and this is {}.{}.".format(*sys.version_info[:2]))
# As root in somebody's checkout it would leave files that they cannot delete. Python has cached this file already.
sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
if hasattr(os, "geteuid") and os.geteuid() == 0:
    shutil.rmtree(str(HERE / "__pycache__"), ignore_errors=True)


def find_packages():
    """Return what goes onto sys.path: the source in the project, else the wheels, if they are what the lock says."""
    if (HERE.parent / "django_compose_stack").is_dir():
        return [HERE.parent]
    from hashlib import sha256

    locks = [lock for lock in (HERE.parent / "requirements.txt", HERE / "requirements.txt") if lock.is_file()]
    locked = "".join(lock.read_text(encoding="utf-8") for lock in locks)
    found = sorted(HERE.glob("*.whl"))
    for wheel in found:
        if wheel.name in locked and sha256(wheel.read_bytes()).hexdigest() not in locked:
            fix = "Bring both back: git checkout .stack requirements.txt"
            sys.exit(f"{wheel} is not the file whose hash the lock has. {fix}")
    return found


sys.path[0:1] = map(str, find_packages())
try:
    from django_compose_stack.cli import main
except ImportError as error:
    sys.exit(f"{HERE} has no wheel of django-compose-stack ({error}). Bring it back: git checkout .stack")
sys.exit(main(sys.argv[1:]))
