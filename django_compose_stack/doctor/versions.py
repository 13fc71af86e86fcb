"""Checks of the versions of Python and Postgres: new enough, and still supported."""

from __future__ import annotations

import os
from datetime import date

from django_compose_stack.doctor.stack import Finding, Findings, Stack
from django_compose_stack.host.process import Failure

# https://devguide.python.org/versions/ and https://www.postgresql.org/support/versioning/: date of the last fix.
PYTHON = {"3.12": date(2028, 10, 31), "3.13": date(2029, 10, 31), "3.14": date(2030, 10, 31)}
POSTGRES = {"17": date(2029, 11, 8), "18": date(2030, 11, 14)}
# https://mariadb.org/about/#maintenance-policy and https://endoflife.date/mysql
MARIADB = {"11.4": date(2029, 5, 29), "11.8": date(2028, 6, 4)}
MYSQL = {"8.0": date(2026, 4, 30), "8.4": date(2032, 4, 30)}


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
    postgres, mariadb, mysql = (stack.value(f"{name}_VERSION") for name in ("POSTGRES", "MARIADB", "MYSQL"))
    ends = [
        ("Python", python, PYTHON.get(python), "PYTHON_VERSION=3.14 in .env, then: make up"),
        ("Postgres", postgres, POSTGRES.get(postgres), "make upgrade-db TO=…, with a newer version"),
        ("MariaDB", mariadb, MARIADB.get(mariadb), "make backup, then a newer MARIADB_VERSION in .env, then: make up"),
        ("MySQL", mysql, MYSQL.get(mysql), "make backup, then a newer MYSQL_VERSION in .env, then: make up"),
    ]
    for name, version, end, fix in ends:
        if end and end < today():
            yield Finding(
                "end-of-life",
                f"{name} {version} has had no security fixes since {end}",
                "Known vulnerabilities stay open, and some day its image can no longer install packages.",
                fix,
            )
