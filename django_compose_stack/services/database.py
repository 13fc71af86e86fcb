"""Which database a project has: Postgres, or the service that stands in its place."""

import re
from typing import NamedTuple

from django_compose_stack.host.project import LAYOUT, ROOT, content


class Database(NamedTuple):
    """title: as people call it. host: the variable that names its host. shell: what opens a prompt in its container.

    secret: the name of its password's file. folder: where the container keeps the data.
    """

    name: str
    title: str
    host: str
    shell: str
    secret: str
    folder: str


def of_mysql(name, title):
    password = "${MYSQL_PASSWORD:-$(cat /run/secrets/mysql_password)}"
    shell = f'MYSQL_PWD="{password}" exec {name} -u "$MYSQL_USER" "$MYSQL_DATABASE"'
    return Database(name, title, "MYSQL_HOST", shell, "mysql_password", "/var/lib/mysql")


POSTGRES = Database(
    *("postgres", "Postgres", "POSTGRES_HOST", 'psql -U "$POSTGRES_USER" "$POSTGRES_DB"'),
    *("postgres_password", "/var/lib/postgresql"),
)
KINDS = {each.name: each for each in (POSTGRES, of_mysql("mariadb", "MariaDB"), of_mysql("mysql", "MySQL"))}


def chosen():
    """Return the database of compose.yaml. Where `init` added the stack to a project, it is Postgres or none."""
    found = None if LAYOUT else re.search(r"^x-(mariadb|mysql): &\1$", content(ROOT / "compose.yaml"), re.M)
    return KINDS[found[1] if found else "postgres"]
