"""Tests of the stack, and what several kinds of them share."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The program, to be run in the folder of a project.
STACK = (sys.executable, "-BIS", ".stack")
