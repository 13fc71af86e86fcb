"""The development dashboard at /_stack/: the current state of the stack, and what is wrong with it.

It exists while DEBUG is on, and works with the database down, with no migration applied, and without JavaScript.
"""

from pathlib import Path

from django.conf import settings

from django_compose_stack.host.project import content


def project_file(name: str) -> str:
    """Return the text of a file of the project; empty if there is none."""
    # In a project that was there before the stack, BASE_DIR may be another folder, or not be at all.
    return content(Path(getattr(settings, "STACK_ROOT", "") or settings.BASE_DIR, name))
