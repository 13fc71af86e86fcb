"""Where the project is and how it is laid out, and how to start this program again."""

from __future__ import annotations

import sys
from pathlib import Path

LAUNCHER = ".stack"


def content(path: Path) -> str:
    """Return the text of a file; empty if there is none or it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def find_root() -> Path:
    """Return the folder that contains .stack: the one this program was started from, else the nearest above."""
    launcher = Path(sys.argv[0]).resolve()
    for folder in ([launcher] if launcher.name == LAUNCHER else []) + [*launcher.parents]:
        if folder.name == LAUNCHER:
            return folder.parent
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / LAUNCHER).is_dir()), here)


def read_layout(root: Path) -> dict[str, str]:
    """Return what `init` found in an existing project and wrote into .stack/project.ini; empty in one made by `new`."""
    path = root / LAUNCHER / "project.ini"
    if not path.is_file():
        return {}
    import configparser  # Only now: most commands begin without it.

    parser = configparser.ConfigParser(interpolation=None)
    parser.read(str(path), encoding="utf-8")
    return dict(parser["project"]) if parser.has_section("project") else {}


ROOT = find_root()
LAYOUT = read_layout(ROOT)
COMPOSE = LAYOUT.get("compose", "compose.yaml")
DOCKERFILE = LAYOUT.get("dockerfile", "Dockerfile")


def compose_variables() -> dict[str, str]:
    """Return what makes Compose read the stack's file, if the project has a compose.yaml of its own beside it."""
    return {} if COMPOSE == "compose.yaml" else {"COMPOSE_FILE": COMPOSE}


def program(*words: str) -> list[str]:
    """Return the command that starts this program again, with the same Python."""
    return [sys.executable, "-BIS", str(ROOT / LAUNCHER), *words]
