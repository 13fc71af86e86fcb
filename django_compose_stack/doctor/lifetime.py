"""Checks whether the versions of Python and Postgres still get security fixes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from django_compose_stack.doctor.finding import Finding
from django_compose_stack.doctor.stack import Stack

# https://devguide.python.org/versions/ and https://www.postgresql.org/support/versioning/: date of the last fix.
PYTHON = {"3.12": date(2028, 10, 31), "3.13": date(2029, 10, 31), "3.14": date(2030, 10, 31)}
POSTGRES = {"17": date(2029, 11, 8), "18": date(2030, 11, 14)}


def today() -> date:
    return date.today()


def check_end_of_life(stack: Stack) -> Iterator[Finding]:
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


CHECKS = (check_end_of_life,)
