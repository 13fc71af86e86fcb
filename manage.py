#!/usr/bin/env python
"""Django's command-line utility for administrative tasks."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

from django_fast_reload import take_over

BASE_DIR = Path(__file__).resolve().parent


def become_owner():
    """Start over as the checkout's owner where `docker compose exec` made this process root's.

    The image's entrypoint does the same for `up` and `run`; see the Dockerfile.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0 != BASE_DIR.stat().st_uid and shutil.which("as-owner"):
        os.execvp("as-owner", ["as-owner", sys.executable, *sys.argv])


def main():
    become_owner()
    take_over(sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if not (BASE_DIR / ".env").exists() and not os.environ.get("SECRET_KEY"):
        # Nothing is configured, so this is somebody trying it out. Production always has a SECRET_KEY.
        os.environ.setdefault("DEBUG", "true")
    try:
        from django.core.management import execute_from_command_line

        from django_compose_stack.env import InvalidVariable
    except ImportError as error:
        raise ImportError(
            "Django is not installed for this Python. Run `python3 .stack native python manage.py ...`, which installs it, "
            "or activate a virtual environment and run `pip install -r requirements.txt`."
        ) from error
    # A wrong variable is one line here, and a long traceback later. Every other fault is Django's to report.
    with contextlib.suppress(Exception):
        try:
            import config.settings  # noqa: F401
        except InvalidVariable as error:
            sys.exit(str(error))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
