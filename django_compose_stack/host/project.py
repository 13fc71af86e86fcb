"""Where the project is, and how to start this program again. Python 3.8 or newer, standard library only."""

from __future__ import annotations

import sys
from pathlib import Path

LAUNCHER = ".stack"


def find_root() -> Path:
    """Return the folder that contains .stack: the one this program was started from, else the nearest above."""
    launcher = Path(sys.argv[0]).resolve()
    for folder in ([launcher] if launcher.name == LAUNCHER else []) + [*launcher.parents]:
        if folder.name == LAUNCHER:
            return folder.parent
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / LAUNCHER).is_dir()), here)


ROOT = find_root()


def program(*words: str) -> list[str]:
    """Return the command that starts this program again, with the same Python."""
    return [sys.executable, "-BIS", str(ROOT / LAUNCHER), *words]
