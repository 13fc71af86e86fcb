import logging

from django.apps import AppConfig

from apps.stack.health import is_worth_a_line


class StackConfig(AppConfig):
    name = "apps.stack"

    def ready(self):
        logging.getLogger("django.server").addFilter(is_worth_a_line)
