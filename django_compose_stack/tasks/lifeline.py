"""Tells workers that live from those that were killed, by a lock that the database holds for each.

The database lets go of a lock when the connection that took it ends, in whatever way. A task that a worker has begun is
given back when nobody holds the lock of that worker.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from django.db import DatabaseError, connections
from django.tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from django_compose_stack import databases
from django_compose_stack.tasks.wake import notify

INTERVAL = 5  # seconds between two looks
ATTEMPTS = 3  # workers that may die of one task; then it has failed


class WorkerLost(Exception):
    """The workers that ran a task were killed."""


class Lifeline:
    """Holds the lock of a worker, and gives back the tasks of workers that have none.

    worker: its id. say: called with each line for the log. alive: a file to touch at each look, for a health check.
    SQLite has no such locks, and tasks of a killed worker stay as they are.
    """

    def __init__(self, worker: str, say: Callable[[str], object], alive: str = "", alias: str = "default"):
        self.worker, self.say, self.alive, self.alias = worker, say, alive, alias
        # A connection of its own, which neither a task nor the end of a request closes.
        self.connection = connections.create_connection(alias)
        self.connection.inc_thread_sharing()
        self.ended = threading.Event()
        self.database = databases.of(self.connection)

    def start(self) -> None:
        """Take the lock, then look from a thread of its own until the process ends."""
        self.look()
        threading.Thread(target=self.run, name="lifeline", daemon=True).start()

    def end(self) -> None:
        """Let go of the lock: this worker takes no more tasks."""
        self.ended.set()

    def run(self) -> None:
        while not self.ended.wait(INTERVAL):
            try:
                self.look()
            except DatabaseError as error:
                # The next look makes another connection, and takes the lock again.
                self.connection.close()
                self.say(f"The database does not answer: {str(error).strip()}")
            finally:
                connections.close_all()
        self.connection.close()

    def look(self) -> None:
        """Raises DatabaseError where the database does not answer, or has no table of tasks yet."""
        if self.connection.connection is None or not self.connection.is_usable():
            self.connection.close()
            with self.connection.cursor() as cursor:
                self.database.hold(cursor, self.worker)
        if self.alive:
            Path(self.alive).touch()
        if self.database.has_locks:
            self.give_back()

    def is_lost(self, worker: str) -> bool:
        """Return whether nobody holds the lock of a worker."""
        if worker == self.worker:
            return False
        with self.connection.cursor() as cursor:
            return not self.database.is_held(cursor, worker)

    def give_back(self) -> None:
        """Let the tasks of lost workers run again; those that several workers died of have failed."""
        for result in DBTaskResult.objects.using(self.alias).running():
            if result.worker_ids and self.is_lost(result.worker_ids[-1]):
                if len(result.worker_ids) >= ATTEMPTS:
                    result.set_failed(WorkerLost(f"{ATTEMPTS} workers were killed while they ran this task"))
                    self.say(f"Task {result.id} ({result.task_path}) has failed: its workers were killed.")
                elif requeue(result):
                    self.say(f"Task {result.id} ({result.task_path}) runs again: its worker was killed.")


def requeue(result: DBTaskResult, **changes) -> bool:
    """Let a task run again; return False where somebody else has changed it meanwhile."""
    before = DBTaskResult.objects.filter(pk=result.pk, status=result.status, worker_ids=result.worker_ids)
    is_changed = bool(before.update(status=TaskResultStatus.READY, started_at=None, **changes))
    notify()
    return is_changed
