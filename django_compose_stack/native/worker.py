"""The worker in the background: `python manage.py worker`, where the project has it (`make add SERVICE=worker`)."""

from django_compose_stack.native.background import Program

WORKER = Program("worker")


def is_wanted():
    from django_compose_stack.services import command

    return "worker" in command.added()


def start(environment):
    WORKER.start(["worker"], environment)
