"""Checks of the versions of Python and Postgres: new enough, and still supported."""

from __future__ import annotations

import os
from datetime import date

from django_compose_stack.doctor.stack import Finding, Findings, Stack
from django_compose_stack.host.process import Failure

# https://devguide.python.org/versions/ and https://www.postgresql.org/support/versioning/: date of the last fix.
PYTHON = {"3.12": date(2028, 10, 31), "3.13": date(2029, 10, 31), "3.14": date(2030, 10, 31)}
POSTGRES = {"17": date(2029, 11, 8), "18": date(2030, 11, 14)}


def check_python(stack: Stack) -> Findings:
    if stack.mode != "native" or os.name == "nt":
        return
    from django_compose_stack.native.environment import find_python  # needs fcntl

    try:
        find_python()
    except Failure as failure:
        reason = "Without a Docker engine the stack needs it."
        yield Finding("no-python", failure.problem, reason, f"Install Docker. Or: {failure.fix}")


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
