"""Where the project is, and how this program is called again."""

import sys
from pathlib import Path

LAUNCHER = ".stack"


def find_root() -> Path:
    """Return the folder with .stack in it: the one this program was started from, else the nearest above."""
    launcher = Path(sys.argv[0]).resolve()
    for folder in ([launcher] if launcher.name == LAUNCHER else []) + [*launcher.parents]:
        if folder.name == LAUNCHER:
            return folder.parent
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / LAUNCHER).is_dir()), here)


ROOT = find_root()


def program(*words):
    """Return the command that runs this program again, with the Python of now."""
    return [sys.executable, "-IS", str(ROOT / LAUNCHER), *words]
