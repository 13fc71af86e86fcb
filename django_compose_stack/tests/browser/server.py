"""The project's own server with a database of its own, for a browser to look at."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import randbytes

import psycopg
from django.conf import settings

from django_compose_stack.tests.stack.checkout import ROOT, environment, free_port, get, wait_for

STOP_TIMEOUT = 20  # seconds


def variables() -> dict[str, str]:
    """Return how the settings of this process reach their Postgres."""
    config = settings.DATABASES["default"]
    return {f"POSTGRES_{name}": str(config[name]) for name in ("HOST", "PORT", "USER", "PASSWORD")}


def connect() -> psycopg.Connection:
    config = settings.DATABASES["default"]
    return psycopg.connect(
        host=config["HOST"],
        port=config["PORT"],
        user=config["USER"],
        password=config["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    )


class Site:
    """A server. address: what it listens on; url: where it answers, without a slash at the end."""

    def __init__(self, address: str, **own: str):
        self.port = free_port()
        self.address, self.url, self.variables = f"{address}:{self.port}", f"http://127.0.0.1:{self.port}", own

    def manage(self, *words: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=environment(**self.variables),
            check=True,
            capture_output=True,
            timeout=60,
        )

    def drop_database(self) -> None:
        with connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self.variables['POSTGRES_DB']} WITH (FORCE)")

    @contextmanager
    def running(self) -> Iterator[None]:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", self.address],
            cwd=ROOT,
            env=environment(**self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for(lambda: get(self.port, "/healthz")[0] == 200, "the server")
            yield
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.communicate(timeout=STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.communicate()


@contextmanager
def serving(address: str = "127.0.0.1", **own: str) -> Iterator[Site]:
    """Run the server on a new database, migrated; take both away again. own: more variables of its environment."""
    name = f"browser_{randbytes(4).hex()}"
    site = Site(address, DEBUG="true", **{**variables(), "POSTGRES_DB": name, **own})
    with connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        with site.running():
            yield site
    finally:
        site.drop_database()
