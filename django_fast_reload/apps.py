from django.apps import AppConfig
from django.core.checks import register


class FastReloadConfig(AppConfig):
    name = __name__.rpartition(".")[0]  # The folder may have been copied to another place.
    verbose_name = "Fast reload"

    def ready(self):
        from .checks import check_runserver

        register(check_runserver)
