"""`manage.py worker`: runs the tasks of django.tasks."""

import importlib.util

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from django_fast_reload import takeover
from django_fast_reload.management.commands.runserver import Command as RunserverCommand


class Command(RunserverCommand):
    """Runs tasks until a signal ends it, after the task it has. In development a save is live before the next task."""

    help = "Runs the tasks of django.tasks that are in the database."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--alive", default="", help="a file to touch every few seconds, for a health check")

    def handle(self, **options):
        if importlib.util.find_spec("django_tasks_db") is None:
            raise CommandError("django-tasks-db is not installed. Fix: make add SERVICE=worker")
        # The development server listens wherever there is room: it reports how reloads went, and serves no page.
        super().handle(**{**options, "addrport": "127.0.0.1:0"})

    def run(self, **options):
        from django_compose_stack.tasks.worker import Worker

        if running := takeover.current_worker():
            from django_compose_stack.tasks.development import TaskServer

            running.serve(self, options, TaskServer)
        if settings.DEBUG and options["use_reloader"] and takeover.is_wanted():
            obstacle = takeover.obstacle() or takeover.restart_under_supervisor(self.addr, 0, self.use_ipv6)
            self.stderr.write(f"{obstacle} Saved code is not live until the worker starts again.")
        call_command("ready", wait=60)
        worker = Worker(self.stdout.write, options["alive"])
        worker.configure_signals()
        worker.run()

    def on_bind(self, server_port):
        self.stdout.write("Running tasks as they come.")

    def check_migrations(self):
        """Do nothing: the web server does it."""
