"""Checks of the versions of Python and Postgres: new enough, and still supported."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from django_compose_stack.doctor.stack import Finding, Findings, Stack

OLDEST = (3, 12)
NEWEST = (3, 14)
# https://devguide.python.org/versions/ and https://www.postgresql.org/support/versioning/: date of the last fix.
PYTHON = {"3.12": date(2028, 10, 31), "3.13": date(2029, 10, 31), "3.14": date(2030, 10, 31)}
POSTGRES = {"17": date(2029, 11, 8), "18": date(2030, 11, 14)}


def pythons(stack: Stack) -> list[str]:
    """Return the installed versions of Python, oldest first."""
    home = Path(stack.environment.get("HOME", "~")).expanduser()
    places = [path for minor in range(8, 16) if (path := stack.which(f"python3.{minor}"))]
    places += [str(path) for path in home.glob(".pyenv/versions/3.*/bin/python")]
    places += filter(None, [stack.which("python3")])
    script = "import platform; print(platform.python_version())"
    found = {stack.run(place, "-c", script).stdout.strip() for place in places}
    return sorted(filter(None, found), key=lambda text: [int(part) for part in re.findall(r"\d+", text)])


def check_python(stack: Stack) -> Findings:
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


def today() -> date:
    return date.today()


def check_end_of_life(stack: Stack) -> Findings:
    python = stack.value("PYTHON_VERSION")
    postgres = stack.value("POSTGRES_VERSION")
    ends = [
        ("Python", python, PYTHON.get(python), "PYTHON_VERSION=3.14 in .env, then: make up"),
        ("Postgres", postgres, POSTGRES.get(postgres), "make upgrade-db TO=…, with a newer version"),
    ]
    for name, version, end, fix in ends:
        if end and end < today():
            yield Finding(
                "end-of-life",
                f"{name} {version} has had no security fixes since {end}",
                "Known vulnerabilities stay open, and some day its image can no longer install packages.",
                fix,
            )
