"""How the stack runs here: "docker" where an engine answers, "native" where none does, else what MODE says.

Python 3.8 or newer, standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache

from django_compose_stack.host.process import die, output

MODES = ("docker", "native", "production")
ENGINE_TIMEOUT = 30  # seconds; an engine that is slower than this counts as one that does not answer


@lru_cache(maxsize=None)
def has_engine() -> bool:
    """Return whether Docker Compose is installed and an engine answers."""
    commands = (("docker", "compose", "version"), ("docker", "info", "--format={{.ServerVersion}}"))
    return all(output(*command, timeout=ENGINE_TIMEOUT) for command in commands)


def mode(environment: Mapping[str, str] = os.environ, has_engine: Callable[[], bool] = has_engine) -> str:
    """Return the mode. Exits where MODE is none of the three.

    has_engine: called only where MODE is not set.
    """
    wanted = environment.get("MODE", "")
    if wanted and wanted not in MODES:
        die(f"MODE has value {wanted!r}. Expected docker, native or production")
    return wanted or ("docker" if has_engine() else "native")
