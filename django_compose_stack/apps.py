import logging

from django.apps import AppConfig

from django_compose_stack.health import is_worth_a_line


class StackConfig(AppConfig):
    name = "django_compose_stack"

    def ready(self):
        from django_compose_stack import checks  # noqa: F401 -- they register themselves

        logging.getLogger("django.server").addFilter(is_worth_a_line)
