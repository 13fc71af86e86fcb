"""The library's worker, which gives a task back where its code has changed meanwhile, and outlives its database."""

import time
from collections.abc import Callable

from django.db import DatabaseError, connections
from django.utils.crypto import get_random_string
from django_tasks_db.management.commands.db_worker import Worker as LibraryWorker
from django_tasks_db.models import DBTaskResult

from django_compose_stack.tasks.lifeline import Lifeline, requeue
from django_compose_stack.tasks.wake import wait

INTERVAL = 1  # seconds between two looks for tasks, where nobody wakes this worker: for those of a later time
PAUSE = 1  # seconds until a database that failed is asked again


class Worker(LibraryWorker):
    """say: called with each line for the log. alive: a file that is touched as long as this and the database live.

    confirm: called before each task; where it returns false, the code on disk is newer than this process, which then
    ends its loop.
    """

    def __init__(
        self,
        say: Callable[[str], object],
        alive: str = "",
        confirm: Callable[[], bool] = lambda: True,
    ):
        super().__init__(
            queue_names=["*"],
            excluded_queue_names=[],
            interval=INTERVAL,
            # Its `run` returns when nothing is left to do; `wait` is for the next.
            batch=True,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=get_random_string(32),
        )
        self.say, self.confirm = say, confirm
        self.lifeline = Lifeline(self.worker_id, say, alive)

    def run(self) -> None:
        is_alive, said = False, None
        while self.running:
            try:
                if not is_alive:
                    self.lifeline.start()
                    is_alive = True
                super().run()
                if self.running:
                    wait(DBTaskResult.objects.ready(), INTERVAL)
                    # Else an old process would often take the task that was queued after a save, and give it back.
                    self.running = self.confirm() and self.running
            except DatabaseError as error:
                # The tables may not be there yet, or the server restarts.
                connections.close_all()
                text = str(error).strip().partition("\n")[0]
                if text != said:
                    self.say(f"Waiting: {text}")
                said = text
                time.sleep(PAUSE)

    def run_task(self, db_task_result: DBTaskResult) -> None:
        if self.confirm():
            super().run_task(db_task_result)
        else:
            self.give_back(db_task_result)

    def give_back(self, db_task_result: DBTaskResult) -> None:
        """End with a task of which nothing has run: somebody else runs it."""
        self.running = False
        requeue(db_task_result, worker_ids=db_task_result.worker_ids[:-1])
