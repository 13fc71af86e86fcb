"""How the stack runs here: "docker" where an engine answers, "native" where none does, else what MODE says."""

import functools
import os

from django_compose_stack.host.process import die, output

MODES = ("docker", "native", "production")


@functools.lru_cache(None)
def mode() -> str:
    """Return the mode. Exits where MODE is set to none of the three."""
    wanted = os.environ.get("MODE", "")
    if wanted in MODES:
        return wanted
    if wanted:
        die(f"MODE is {wanted!r}. Expected docker, native or production")
    answers = output("docker", "compose", "version") and output("docker", "info", "--format={{.ServerVersion}}")
    return "docker" if answers else "native"
