"""`runserver` with the command line and messages of Django's."""

from django.conf import settings
from django.core.management.commands.runserver import Command as DjangoCommand

from ... import asgi, takeover
from ...next_command import next_command


class Command(next_command(__name__.removesuffix(".management.commands.runserver"), "runserver")):
    def run(self, **options):
        worker, obstacle = takeover.current_worker(), self.obstacle()
        if worker is not None:
            if obstacle:
                worker.decline(obstacle)
            worker.serve(self, options)
        if options["use_reloader"] and takeover.is_wanted():
            obstacle = obstacle or takeover.restart_under_supervisor(self.addr, int(self.port), self.use_ipv6)
            self.stderr.write(f"{obstacle} Django's own server runs instead.")
        super().run(**options)

    def obstacle(self) -> str:
        """Say why there is no fast reload; empty where there is."""
        if not settings.DEBUG:
            return "DEBUG is off, so there is no fast reload."
        if type(self).inner_run is not DjangoCommand.inner_run and not asgi.replaces(type(self)):
            return f"{type(self).inner_run.__module__} brings a server of its own, so there is no fast reload."
        return takeover.obstacle()
