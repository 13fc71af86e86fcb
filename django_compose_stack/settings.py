"""What the stack adds to the settings of an existing project. `init` writes the module that uses it."""

import os
import re

from django_compose_stack.host.project import ROOT as STACK_ROOT

__all__ = ["ALLOWED_HOSTS", "DEVSERVER_URL", "SHARED_AT", "STACK_ROOT", "WEB_HOST", "WEB_PORT"]

# Where Compose publishes the page, which cannot be seen from inside the container. The dashboard shows it.
WEB_HOST = os.environ.get("WEB_HOST", "")
WEB_PORT = int(os.environ.get("WEB_PORT") or 0)
SHARED_AT = os.environ.get("SHARED_AT", "")
DEVSERVER_URL = f"http://{'127.0.0.1' if WEB_HOST in ('', '0.0.0.0') else WEB_HOST}:{WEB_PORT}/" if WEB_PORT else ""

# For projects that leave it to Django's default.
ALLOWED_HOSTS: list[str] = []
# The addresses under which this machine reaches the page. A project may name others alone.
HOSTS = [".localhost", "127.0.0.1", "[::1]", *filter(None, [SHARED_AT])]
# Ahead of all others: both have a `runserver`, and the first one counts.
APPS = ["django_compose_stack", "django_fast_reload"]
# First, so that a probe and the dashboard need nothing of the project's own middleware.
MIDDLEWARE = [
    "django_compose_stack.middleware.StackMiddleware",
    "django_compose_stack.dashboard.middleware.DashboardMiddleware",
]
POSTGRES = "postgresql|postgis|psqlextra|timescale|cockroach"
# Options of a connection to somewhere else.
ELSEWHERE = {"passfile", "service", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs"}


def databases(found: dict) -> dict:
    """Return DATABASES in the server that POSTGRES_* name; unchanged where POSTGRES_HOST is empty.

    An entry that is Postgres already keeps its engine, and its options but for those of a connection elsewhere; any
    other than "default" keeps its name too. What is not Postgres stays as it is, unless it is "default".
    """
    host = os.environ.get("POSTGRES_HOST", "")
    if not host:
        return found
    server = {key: os.environ.get(f"POSTGRES_{key}", "") for key in ("HOST", "PORT", "USER", "PASSWORD")}
    postgres = {name: entry for name, entry in found.items() if re.search(POSTGRES, entry.get("ENGINE", ""))}
    result = {name: here(entry, server) for name, entry in postgres.items()}
    default = result.get("default") or {"ENGINE": "django.db.backends.postgresql", **server}
    return {**found, **result, "default": {**default, "NAME": os.environ.get("POSTGRES_DB", "")}}


def here(entry: dict, server: dict) -> dict:
    options = {name: value for name, value in entry.get("OPTIONS", {}).items() if name not in ELSEWHERE}
    return {**entry, **server, "OPTIONS": options}
