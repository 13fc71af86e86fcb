"""How the stack runs here: what MODE says, else "docker" if an engine answers, else "native"."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from functools import lru_cache

from django_compose_stack.host.process import die, output

MODES = ("docker", "native", "production")
ENGINE_TIMEOUT = 30  # seconds; a slower engine counts as one that does not answer


@lru_cache(maxsize=None)
def has_engine() -> bool:
    """Return whether Docker Compose is installed and an engine answers."""
    commands = (("docker", "compose", "version"), ("docker", "info", "--format={{.ServerVersion}}"))
    return all(output(*command, timeout=ENGINE_TIMEOUT) for command in commands)


def is_inside(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this is the web container of the project, as in a terminal of a development container."""
    return not environment.get("MODE") and bool(shutil.which("as-owner", path=environment.get("PATH", "")))


def mode(environment: Mapping[str, str] = os.environ, has_engine: Callable[[], bool] = has_engine) -> str:
    """Return the mode. Exits if MODE is none of the three.

    has_engine: called only if MODE is not set.
    """
    wanted = environment.get("MODE", "")
    if wanted and wanted not in MODES:
        die(f"MODE has value {wanted!r}. Expected docker, native or production")
    if is_inside(environment):
        die("this is the web container, where no engine and no native mode is. Run this command on the host")
    return wanted or ("docker" if has_engine() else "native")
