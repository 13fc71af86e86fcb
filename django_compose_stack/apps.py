import gc
import logging

from django.apps import AppConfig, apps

from django_compose_stack.health import is_worth_a_line


class StackConfig(AppConfig):
    name = "django_compose_stack"

    def ready(self):
        from django_compose_stack import checks  # noqa: F401 -- they register themselves

        if apps.is_installed("django_tasks_db"):
            from django.tasks.signals import task_enqueued

            from django_compose_stack.tasks.wake import notify

            task_enqueued.connect(notify)
        logging.getLogger("django.server").addFilter(is_worth_a_line)
        if not gc.isenabled():  # This is a command of manage.py.
            gc.freeze()  # What is loaded stays: nobody need look through it again.
            gc.enable()
