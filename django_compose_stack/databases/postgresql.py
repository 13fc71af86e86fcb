import hashlib

from django_compose_stack.databases.base import Database

MIGRATE = int.from_bytes(b"migrate")
WORKERS = int.from_bytes(b"work", "big")  # the space of their locks, so that they can be counted
# One that needs longer sets its own limit: SET LOCAL statement_timeout.
TIMEOUTS = {"lock_timeout": "5s", "statement_timeout": "15min"}
LOCKS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
USAGE = """
SELECT pg_database_size(current_database()), count(*), current_setting('max_connections')
FROM pg_stat_activity WHERE client_port IS NOT NULL
"""


def key(worker: str) -> int:
    """Return the number of a worker's lock, 32 bits with a sign."""
    return int.from_bytes(hashlib.sha256(worker.encode()).digest()[:4], "big", signed=True)


class PostgreSQL(Database):
    title = "Postgres"
    port = 5432
    path = "/var/lib/postgresql"
    reasons = (
        ("resolve host|Name or service", "There is no host {host}: its container is not running.", "make up"),
        ("[Cc]onnection refused", "Nothing listens at {host}:{port}: the server is not running.", "make up"),
        ("the database system is", "The server is starting or stopping. Try again in a moment.", "make logs"),
        (
            "password authentication failed",
            "The server refused the password: its volume was created with another one.",
            "make doctor",
        ),
        ('database ".*" does not exist', "The server runs, but has no database {name}.", "make doctor"),
        ("too many clients|connection slots", "All connections are in use.", "make restart"),
    )
    has_locks = True

    def limit(self, cursor, milliseconds):
        cursor.execute(f"SET statement_timeout = {milliseconds}")

    def usage(self, cursor):
        cursor.execute(USAGE)
        return cursor.fetchone()

    def connections(self, cursor):
        cursor.execute("SELECT current_setting('max_connections')::int")
        return cursor.fetchone()[0]

    def take_turn(self, cursor):
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATE])
        return cursor.fetchone()[0]

    def end_turn(self, cursor):
        cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATE])

    def limit_migration(self, cursor):
        for name, value in TIMEOUTS.items():
            cursor.execute(f"SET {name} = '{value}'")

    def end_limit(self, cursor):
        for name in TIMEOUTS:
            cursor.execute(f"RESET {name}")

    def hold(self, cursor, worker):
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [WORKERS, key(worker)])

    def is_held(self, cursor, worker):
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [WORKERS, key(worker)])
        if not cursor.fetchone()[0]:
            return True
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [WORKERS, key(worker)])
        return False

    def workers(self, cursor):
        cursor.execute(LOCKS, [WORKERS])
        return cursor.fetchone()[0]
