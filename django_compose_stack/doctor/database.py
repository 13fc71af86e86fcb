"""Checks of the database: whether the volume matches .env."""

from __future__ import annotations

import re

from django_compose_stack.doctor.stack import Finding, Findings, NotFixed, Stack, in_new_container
from django_compose_stack.host.process import last_line
from django_compose_stack.host.project import LAYOUT

SERVICE = "db"
# The image asks for no password on its socket and loopback address, only on its network address.
NETWORK = '-h "$(hostname -i | cut -d" " -f1)"'


def check_data_version(stack: Stack) -> Findings:
    """Compare the major version of the data in the volume with that of the image."""
    image = stack.image_of(SERVICE)
    wanted = (re.findall(r":(\d+)", image) or [""])[0]
    volume = (stack.config.get("volumes") or {}).get("db-data", {}).get("name", "")
    if not (stack.info and wanted and volume and stack.image(image)):
        return
    if stack.run("docker", "volume", "inspect", volume).returncode:
        return
    script = "cd /data && find . -maxdepth 3 -name PG_VERSION -exec sh -c 'echo $(cat $1) $1' - {} ';'"
    listed = stack.run(*in_new_container(image, f"{volume}:/data:ro", "sh", "-c", script))
    found = dict(line.split(maxsplit=1) for line in listed.stdout.splitlines() if " " in line)
    versions = sorted({key for key in found if key.isdigit()}, key=int)
    if not versions or f"./{wanted}/docker/PG_VERSION" in found.values():
        return
    yield Finding(
        "data-version",
        f"volume {volume} holds data of Postgres {', '.join(versions)}, but compose.yaml starts {image}",
        "Postgres cannot read data of another major version: it refuses to start, or starts with an empty database.",
        f"POSTGRES_VERSION={versions[-1]} in .env, then: make up. To upgrade from there: make upgrade-db TO={wanted}",
    )


def check_login(stack: Stack) -> Findings:
    """Log in as web does, and find the reason if that fails."""
    container = stack.running(SERVICE)
    environment = stack.services.get("web", {}).get("environment") or {}
    user, database = environment.get("POSTGRES_USER") or "", environment.get("POSTGRES_DB") or ""
    password = environment.get("POSTGRES_PASSWORD") or ""
    if not (container and user and database) or environment.get("DATABASE_URL"):
        return

    def psql(name: str, statement: str, address: str = "") -> str:
        """Return the error of a statement in the database of that name; empty if it succeeds."""
        done = stack.run(
            *("docker", "exec", "--interactive", "--env=PGPASSWORD", "--env=PGCONNECT_TIMEOUT=5", container["Id"]),
            *("sh", "-c", f'exec psql -qw {address} "$@"', "-", "--username", user, f"--dbname={name}"),
            input=statement,
            env={**stack.environment, "PGPASSWORD": password},
        )
        return last_line(done.stderr) if done.returncode else ""

    def change(name: str, statement: str) -> None:
        # Over the socket, which needs no password.
        if error := psql(name, statement):
            raise NotFixed(error)

    def create() -> str:
        change("postgres", f"CREATE DATABASE {quoted(database, chr(34))};")
        return f"created the database {database}, empty"

    def alter() -> str:
        change(database, f"ALTER ROLE {quoted(user, chr(34))} PASSWORD {quoted(password, chr(39))};")
        return f"set the password of role {user} to that of .env"

    error = psql(database, "SELECT 1;")
    if "role" in error and "does not exist" in error:
        yield Finding(
            "database-role",
            f"the database has no role {user}, the value of POSTGRES_USER",
            "Postgres reads POSTGRES_USER only when it creates a volume.",
            "Restore the old name in .env, then: make up",
        )
    elif "database" in error and "does not exist" in error:
        yield Finding(
            "database-name",
            f"there is no database {database}, the value of POSTGRES_DB",
            "Postgres reads POSTGRES_DB only when it creates a volume.",
            f"Restore the old name in .env, or create it: docker compose exec db createdb -U {user} {database}",
            create,
        )
    elif not error and "password authentication failed" in psql(database, "SELECT 1;", NETWORK):
        yield Finding(
            "database-password",
            f"the database refuses the password of {user} in .env",
            "Postgres reads POSTGRES_PASSWORD only when it creates a volume; the volume keeps the old password.",
            "make doctor FIX=1 sets the new password in the database and loses nothing. Or restore the old one in .env",
            alter,
        )


def check_owner(stack: Stack) -> Findings:
    """Find a volume of a version that made the role of the application a superuser."""
    container = stack.running(SERVICE)
    user = (stack.services.get("web", {}).get("environment") or {}).get("POSTGRES_USER") or ""
    if LAYOUT or not container or not user or user == "postgres":
        return
    query = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    words = ["psql", "-XqAt", "--username", user, "--dbname=postgres", "--command", query]
    if stack.run("docker", "exec", "--interactive", container["Id"], *words).stdout.strip() == "t":
        yield Finding(
            "database-superuser",
            f"{user}, the role of the application, is a superuser of the database",
            "An SQL injection into the application can then run programs in the container of the database.",
            "make db-owner, which loses no data",
        )


def quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark
