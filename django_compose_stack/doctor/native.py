"""Check of the stack without Docker: a Python that is new enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django_compose_stack.doctor.finding import Finding
from django_compose_stack.doctor.stack import Stack

OLDEST = (3, 12)
NEWEST = (3, 14)


def pythons(stack: Stack) -> list[str]:
    """Return the installed versions of Python, oldest first."""
    home = Path(stack.environment.get("HOME", "~")).expanduser()
    places = [path for minor in range(8, 16) if (path := stack.which(f"python3.{minor}"))]
    places += [str(path) for path in home.glob(".pyenv/versions/3.*/bin/python")]
    places += filter(None, [stack.which("python3")])
    script = "import platform; print(platform.python_version())"
    found = {stack.run(place, "-c", script).stdout.strip() for place in places}
    return sorted(filter(None, found), key=lambda text: [int(part) for part in re.findall(r"\d+", text)])


def check_python(stack: Stack) -> Iterator[Finding]:
    if stack.mode != "native" or stack.which("uv"):
        return
    found = pythons(stack)
    if not any(OLDEST <= tuple(map(int, version.split(".")[:2])) <= NEWEST for version in found):
        yield Finding(
            "no-python",
            f"there is neither a Docker engine nor Python 3.12 or newer; found: {', '.join(found) or 'none'}",
            "The stack needs one of the two.",
            "Install Docker, or uv, which installs a Python: https://docs.astral.sh/uv/getting-started/installation/",
        )


CHECKS = (check_python,)
