"""The questions, with the answers of a database that is a file: it has no server, no locks and no limits."""

from django.db.backends.utils import CursorWrapper


class Database:
    """Each method gets a cursor of the database that it asks.

    title: how people call it. port: the usual one. path: where a container keeps its data. reasons: a pattern of the
    driver's message, what it means, and the fix; the first match counts.
    """

    title = ""
    port = 0
    path = ""
    reasons: tuple[tuple[str, str, str], ...] = ()
    # Whether a worker's lock ends with its connection, so that a task of a killed worker is noticed.
    has_locks = False

    def name(self, connection) -> str:
        """Return how Django calls it, without asking the server, which may be away."""
        return connection.display_name

    def limit(self, cursor: CursorWrapper, milliseconds: int) -> None:
        """Have the server end a query of this session that takes longer and whose result nobody waits for."""

    def usage(self, cursor: CursorWrapper) -> tuple[int, int, int] | None:
        """Return the size of the database in bytes, how many connections there are, and how many there may be."""

    def connections(self, cursor: CursorWrapper) -> int | None:
        """Return how many connections the server allows; None where it does not count them."""

    def take_turn(self, cursor: CursorWrapper) -> bool:
        """Take the lock for migrations, which ends with the connection; return False if another process has it."""
        return True

    def end_turn(self, cursor: CursorWrapper) -> None:
        """Give that lock back."""

    def limit_migration(self, cursor: CursorWrapper) -> None:
        """A migration that waits for the lock of a table blocks every request after it, so it should fail."""

    def end_limit(self, cursor: CursorWrapper) -> None:
        """Take the limits of a migration back."""

    def hold(self, cursor: CursorWrapper, worker: str) -> None:
        """Take the lock of a worker of tasks."""

    def is_held(self, cursor: CursorWrapper, worker: str) -> bool:
        """Return whether another session holds the lock of a worker."""
        return True

    def workers(self, cursor: CursorWrapper) -> int | None:
        """Return how many workers run; None where the database does not tell."""
