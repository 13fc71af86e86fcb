"""The development dashboard at /_stack/: the current state of the stack, and what is wrong with it.

It exists while DEBUG is on, and works with the database down, with no migration applied, and without JavaScript.
"""

from django.conf import settings


def project_file(name: str) -> str:
    """Return the text of a file of the project; empty if there is none."""
    path = settings.BASE_DIR / name
    return path.read_text() if path.exists() else ""
