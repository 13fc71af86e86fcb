from django_compose_stack.databases.base import Database

# Names of locks are the whole server's, and each has at most 64 characters.
MIGRATE = "SHA1(CONCAT('migrate ', DATABASE()))"
WORKER = "CONCAT('worker ', %s)"
# To wait for the lock of a table, and of a row. How long a statement may take has no limit.
TIMEOUTS = {"lock_wait_timeout": 5, "innodb_lock_wait_timeout": 5}  # seconds
USAGE = """
SELECT (SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables
        WHERE table_schema = DATABASE()),
       (SELECT variable_value FROM {schema}.{table} WHERE variable_name = 'threads_connected'),
       @@max_connections
"""


class MySQL(Database):
    """MySQL and MariaDB."""

    title = "MySQL"
    port = 3306
    path = "/var/lib/mysql"
    # The driver puts the number of the error first: (2003, "Can't connect …").
    reasons = (
        (
            "Name or service|name resolution|Unknown .*host",
            "There is no host {host}: its container is not running.",
            "make up",
        ),
        (r"\b2003\b", "Nothing listens at {host}:{port}: the server is not running.", "make up"),
        (r"\b(1053|2006|2013)\b", "The server is starting or stopping. Try again in a moment.", "make logs"),
        (
            r"\b1045\b",
            "The server refused the password: its volume was created with another one.",
            "make doctor",
        ),
        (r"\b(1044|1049)\b", "The server runs, but has no database {name} that this user may use.", "make doctor"),
        (r"\b1040\b", "All connections are in use.", "make restart"),
    )
    has_locks = True

    def name(self, connection):
        return "MariaDB or MySQL"

    def is_mariadb(self, cursor):
        cursor.execute("SELECT VERSION()")
        return "mariadb" in cursor.fetchone()[0].lower()

    def limit(self, cursor, milliseconds):
        if self.is_mariadb(cursor):
            cursor.execute(f"SET max_statement_time = {milliseconds / 1000}")
        else:
            cursor.execute(f"SET max_execution_time = {milliseconds}")

    def usage(self, cursor):
        schema, table = "performance_schema", "global_status"
        if self.is_mariadb(cursor):
            schema = "information_schema"
        cursor.execute(USAGE.format(schema=schema, table=table))
        size, used, most = map(int, cursor.fetchone())
        return size, used, most

    def connections(self, cursor):
        cursor.execute("SELECT @@max_connections")
        return cursor.fetchone()[0]

    def take_turn(self, cursor):
        cursor.execute(f"SELECT GET_LOCK({MIGRATE}, 0)")
        return bool(cursor.fetchone()[0])

    def end_turn(self, cursor):
        cursor.execute(f"SELECT RELEASE_LOCK({MIGRATE})")

    def limit_migration(self, cursor):
        for name, value in TIMEOUTS.items():
            cursor.execute(f"SET SESSION {name} = {value}")

    def end_limit(self, cursor):
        for name in TIMEOUTS:
            cursor.execute(f"SET SESSION {name} = DEFAULT")

    def hold(self, cursor, worker):
        # A worker's id is its own: nobody else has this lock.
        cursor.execute(f"SELECT GET_LOCK({WORKER}, 10)", [worker])

    def is_held(self, cursor, worker):
        cursor.execute(f"SELECT IS_USED_LOCK({WORKER})", [worker])
        return cursor.fetchone()[0] is not None
