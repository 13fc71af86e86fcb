"""python -m django_compose_stack COMMAND: the program where the package is installed."""

import sys

from django_compose_stack.cli import main

sys.exit(main(sys.argv[1:]))
