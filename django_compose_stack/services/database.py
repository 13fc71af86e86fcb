"""Which database a project has: Postgres, or the service that stands in its place."""

import re
from typing import NamedTuple

from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import LAYOUT, ROOT, content


class Database(NamedTuple):
    """title: as people call it. host: the variable that names its host. shell: what opens a prompt in its container."""

    name: str
    title: str
    host: str
    shell: str


def of_mysql(name, title):
    return Database(
        name, title, "MYSQL_HOST", f'MYSQL_PWD="$MYSQL_PASSWORD" exec {name} -u "$MYSQL_USER" "$MYSQL_DATABASE"'
    )


POSTGRES = Database("postgres", "Postgres", "POSTGRES_HOST", 'psql -U "$POSTGRES_USER" "$POSTGRES_DB"')
KINDS = {each.name: each for each in (POSTGRES, of_mysql("mariadb", "MariaDB"), of_mysql("mysql", "MySQL"))}


def chosen():
    """Return the database of compose.yaml. Where `init` added the stack to a project, it is Postgres or none."""
    found = None if LAYOUT else re.search(r"^x-(mariadb|mysql): &\1$", content(ROOT / "compose.yaml"), re.M)
    return KINDS[found[1] if found else "postgres"]


def need_postgres(what, instead):
    """Raise Failure where the project has another database, for which `what` does not work yet."""
    database = chosen()
    if database is not POSTGRES:
        raise Failure(f"{what} is for Postgres, and this project has {database.title}", instead)
