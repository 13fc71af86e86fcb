"""The tasks in the database, where the project has the worker, and a button to run a failed one again."""

from datetime import datetime
from typing import NamedTuple

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from django_compose_stack import databases
from django_compose_stack.dashboard.local import development_only, why_not_local

OWN = "/_stack/"
APP = "django_tasks_db"
# Of each state, the name on the page and how many of the newest are shown.
STATES = {"RUNNING": ("running", 5), "READY": ("queued", 5), "FAILED": ("failed", 8), "SUCCESSFUL": ("done", 4)}


class Task(NamedTuple):
    """One task. state: a key of STATES; name: of the function, with its module."""

    id: str
    name: str
    state: str
    at: datetime
    traceback: str = ""

    @property
    def error(self) -> str:
        """The last line of the traceback."""
        return self.traceback.strip().rpartition("\n")[2]

    @property
    def state_name(self) -> str:
        return STATES[self.state][0]


class Tasks(NamedTuple):
    """counts: (name, number) of each state. workers: how many run; None where the database does not tell."""

    counts: tuple[tuple[str, int], ...]
    recent: tuple[Task, ...]
    workers: int | None

    @property
    def are_stuck(self) -> bool:
        return self.workers == 0 and bool(dict(self.counts)["queued"])


def look() -> Tasks | None:
    """Return what is known of the tasks; None where the project has none. Raises DatabaseError without their table."""
    if not apps.is_installed(APP):
        return None
    model = apps.get_model("django_tasks_database", "DBTaskResult")
    numbers = dict(model.objects.order_by().values_list("status").annotate(Count("pk")))
    recent: list[Task] = []
    for state, (_, shown) in STATES.items():
        newest = model.objects.filter(status=state).order_by("-enqueued_at")[:shown]
        recent += (Task(str(each.pk), each.task_path, state, each.enqueued_at, each.traceback) for each in newest)
    with connection.cursor() as cursor:
        workers = databases.of(connection).workers(cursor)
    return Tasks(tuple((name, numbers.get(state, 0)) for state, (name, _) in STATES.items()), tuple(recent), workers)


@require_POST
@development_only
def retry(request: HttpRequest, pk) -> HttpResponse:
    """Put a failed task back into the queue, with the arguments that it had."""
    if reason := why_not_local(request):
        raise PermissionDenied(f"{reason} Run failed tasks again from a machine that is your own.")
    from django_compose_stack.tasks.lifeline import requeue

    model = apps.get_model("django_tasks_database", "DBTaskResult")
    if failed := model.objects.filter(pk=pk, status="FAILED").first():
        requeue(failed, finished_at=None, exception_class_path="", traceback="", worker_ids=[])
    return redirect(f"{OWN}#tasks")
