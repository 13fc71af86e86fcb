"""Wakes workers, by LISTEN and NOTIFY of Postgres: a task begins at once, and an idle worker asks once a second."""

import time

from django.db import connection

CHANNEL = "django_compose_stack_tasks"


def notify(**kwargs) -> None:
    """Tell the workers of a new task, once the transaction under way is committed. A receiver of task_enqueued."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


def wait(tasks, timeout: float) -> None:
    """Return when there may be a task to run, at the latest after `timeout` seconds. tasks: the queryset of those."""
    if connection.vendor != "postgresql":
        time.sleep(timeout)
        return
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    # One may have come between the last look and this LISTEN.
    if not tasks.exists():
        for _ in connection.connection.notifies(timeout=timeout, stop_after=1):
            pass
