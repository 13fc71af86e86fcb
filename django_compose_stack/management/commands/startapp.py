import re
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands.startapp import Command as StartappCommand

APP_TEMPLATE = Path(__file__).parents[2] / "scaffold/app"


class Command(StartappCommand):
    """Django's startapp for this layout: it creates apps/NAME, names it apps.NAME and adds it to INSTALLED_APPS.

    With a directory or a template given, or in another layout, it does the same as Django's.
    """

    def handle(self, **options):
        name = options["name"]
        is_ours = (settings.BASE_DIR / "apps").is_dir() and (settings.BASE_DIR / "config/settings.py").is_file()
        if options["directory"] or options["template"] or not name.isidentifier() or not is_ours:
            return super().handle(**options)
        folder = settings.BASE_DIR / "apps" / name
        try:
            folder.mkdir()
        except FileExistsError as error:
            raise CommandError(f"apps/{name} already exists. Choose another name.") from error
        try:
            super().handle(**{**options, "directory": str(folder), "template": str(APP_TEMPLATE)})
        except CommandError:
            folder.rmdir()
            raise
        self.register(f"apps.{name}")
        self.stdout.write(f"Created apps/{name}. Start with apps/{name}/models.py, then: make migrations migrate")

    def register(self, app: str) -> None:
        """Add the app to INSTALLED_APPS, after the last app of this project; print the line to add if that fails."""
        path = settings.BASE_DIR / "config" / "settings.py"
        text, found = re.subn(
            r'(\nINSTALLED_APPS = \[\n(?:.*\n)*?)((?:    "apps\.\w+",\n)+)\]', rf'\1\2    "{app}",\n]', path.read_text()
        )
        if found:
            path.write_text(text)
        else:
            self.stderr.write(f'Could not find the list of apps. Add "{app}" to INSTALLED_APPS in config/settings.py.')
