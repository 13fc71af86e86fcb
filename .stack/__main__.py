"""python3 .stack COMMAND: the program behind make, from the wheels in this folder. python3 .stack help lists it."""

import sys
from pathlib import Path

if sys.version_info < (3, 8):
    sys.exit("python3 .stack needs Python 3.8 or newer, and this is {}.{}.".format(*sys.version_info[:2]))
# As root in somebody's checkout it would leave files that they cannot delete.
sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
# A copy of the source in the project is what the project uses, before any wheel.
is_source = (HERE.parent / "django_compose_stack").is_dir()
sys.path[0:1] = [str(HERE.parent)] if is_source else [str(wheel) for wheel in sorted(HERE.glob("*.whl"))]
try:
    from django_compose_stack.cli import main
except ImportError as error:
    sys.exit(f"{HERE} has no wheel of django-compose-stack ({error}). Bring it back: git checkout .stack")
sys.exit(main(sys.argv[1:]))
