"""Checks of MariaDB and MySQL: whether the volume matches .env."""

from __future__ import annotations

from django_compose_stack.doctor.stack import Finding, Findings, NotFixed, Stack
from django_compose_stack.host.process import last_line

SERVICE = "db"


def check_mysql_login(stack: Stack) -> Findings:
    """Log in as web does, and find the reason if that fails."""
    container = stack.running(SERVICE)
    environment = stack.services.get("web", {}).get("environment") or {}
    user, database = environment.get("MYSQL_USER") or "", environment.get("MYSQL_DATABASE") or ""
    password = environment.get("MYSQL_PASSWORD") or ""
    if not (container and user and database) or environment.get("DATABASE_URL"):
        return
    client = "mariadb" if "mariadb" in stack.image_of(SERVICE) else "mysql"

    def ask(statement: str, *words: str, own_password: str = "") -> tuple[str, str]:
        """Return (rows, error) of a statement; one of them is empty."""
        done = stack.run(
            *("docker", "exec", "--interactive", "--env=MYSQL_PWD", container["Id"], client),
            *("--batch", "--skip-column-names", "--connect-timeout=5", *words),
            input=statement,
            env={**stack.environment, "MYSQL_PWD": own_password},
        )
        return (done.stdout.strip(), "") if done.returncode == 0 else ("", last_line(done.stderr))

    def change(statement: str) -> None:
        # root logs in over the socket, which needs no password.
        if error := ask(statement, "--user=root")[1]:
            raise NotFixed(error)

    def create() -> str:
        change(
            f"CREATE DATABASE IF NOT EXISTS {named(database)}; GRANT ALL ON {pattern(database)}.* TO {quoted(user)};"
        )
        return f"created the database {database}, empty, for {user}"

    def alter() -> str:
        change(f"ALTER USER {quoted(user)}@'%' IDENTIFIED BY {quoted(password)};")
        return f"set the password of {user} to that of .env"

    # Over TCP, as web does; user and database together, because a wrong password hides a missing database.
    error = ask("SELECT 1;", "--host=127.0.0.1", f"--user={user}", database, own_password=password)[1]
    if not error:
        return
    if "1044" in error or "1049" in error:
        yield Finding(
            "database-name",
            f"there is no database {database}, the value of MYSQL_DATABASE, that {user} may use",
            "The image reads MYSQL_DATABASE only when it creates a volume.",
            "Restore the old name in .env, or make doctor FIX=1, which creates an empty one",
            create,
        )
    elif "1045" in error and ask(f"SELECT 1 FROM mysql.user WHERE user = {quoted(user)};", "--user=root")[0]:
        yield Finding(
            "database-password",
            f"the database refuses the password of {user} in .env",
            "The image reads MYSQL_PASSWORD only when it creates a volume; the volume keeps the old password.",
            "make doctor FIX=1 sets the new password in the database and loses nothing. Or restore the old one in .env",
            alter,
        )
    elif "1045" in error:
        yield Finding(
            "database-role",
            f"the database has no user {user}, the value of MYSQL_USER",
            "The image reads MYSQL_USER only when it creates a volume.",
            "Restore the old name in .env, then: make up",
        )


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def named(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def pattern(text: str) -> str:
    """Return a name as GRANT takes it, where _ and % stand for others."""
    return named(text.replace("_", "\\_").replace("%", "\\%"))
