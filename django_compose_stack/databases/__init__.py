"""What the stack asks of a database, in the words of each kind of server."""

from django_compose_stack.databases.base import Database
from django_compose_stack.databases.mysql import MySQL
from django_compose_stack.databases.postgresql import PostgreSQL

KINDS = {"postgresql": PostgreSQL(), "mysql": MySQL()}
OTHER = Database()


def of(connection) -> Database:
    """Return the kind of a connection's database. MariaDB is one with MySQL, as in Django."""
    return KINDS.get(connection.vendor, OTHER)
