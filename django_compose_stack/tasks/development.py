"""The worker of development: a process of the development server, which runs tasks in the place of requests."""

import threading
from importlib import import_module
from traceback import format_exception

from django.db import connection
from django.utils.module_loading import autodiscover_modules

from django_compose_stack.tasks.worker import Worker
from django_fast_reload import ipc
from django_fast_reload.worker.server import Server


class DevelopmentWorker(Worker):
    """Waits with the queue where the module of a task is broken: with the next save, another process begins again."""

    def run_task(self, db_task_result):
        module = db_task_result.task_path.rpartition(".")[0]
        try:
            import_module(module)
        except Exception as error:
            # A module that was deleted is no mistake to wait for: the library lets the task fail.
            is_gone = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
            if not is_gone:
                self.give_back(db_task_result)
                self.lifeline.end()
                self.say(f"{''.join(format_exception(error)).strip()}\nThe queue waits. Fix it and save.")
                return
        super().run_task(db_task_result)


class TaskServer(Server):
    """Runs tasks once the code is loaded, until a newer process takes over; then it ends with the task it has."""

    def load_application(self):
        # As the admin's modules are: an error in one is shown at the save, not at the next task.
        autodiscover_modules("tasks")
        return super().load_application()

    def url(self) -> str:
        return ""

    def serve(self) -> None:
        self.answered = threading.Event()
        self.is_retired = False
        self.worker = DevelopmentWorker(self.command.stdout.write, self.options["alive"], self.confirm)
        threading.Thread(target=self.run_tasks, name="worker", daemon=True).start()
        super().serve()

    def run_tasks(self) -> None:
        # Kept between two looks; the default of development is a connection for each.
        connection.settings_dict = {**connection.settings_dict, "CONN_MAX_AGE": None}
        self.threads.add(threading.current_thread())
        try:
            self.worker.run()
        finally:
            self.threads.discard(threading.current_thread())

    def confirm(self) -> bool:
        """Ask the supervisor whether this process is still made of the files as they are."""
        self.answered.clear()
        if not self.is_retired:
            self.send(ipc.Ask())
            self.answered.wait()
        return not self.is_retired

    def on_current(self) -> None:
        self.answered.set()

    def drain(self, order: ipc.Retire | None) -> None:
        """End with the task that is running, however long it takes."""
        self.worker.running, self.is_retired = False, True
        self.answered.set()
        while self.threads and self.is_supervised():
            for thread in list(self.threads):
                thread.join(0.5)
            self.send(ipc.Busy())
        self.finish(order)
