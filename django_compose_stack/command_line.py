"""What manage.py runs: Django's command line, as the owner of the checkout and under the fast development server."""

import contextlib
import gc
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

from django_fast_reload import take_over

NOT_INSTALLED = (
    "Django is not installed for this Python. Run `python3 .stack native python manage.py ...`, which installs it, "
    "or activate a virtual environment and run `pip install -r requirements.txt`."
)


def main(root: Path) -> None:
    """Run the management command that sys.argv names. Raises ImportError where Django is not installed.

    root: the folder of manage.py. DJANGO_SETTINGS_MODULE is set.
    """
    become_owner(root)
    # Before Django is imported: the process that supervises the server must not hold the project.
    take_over(sys.argv)
    # To load a project leaves no garbage, and to look for some takes a fifth of the time of a short command.
    # StackConfig.ready turns it on again.
    gc.disable()
    if not (root / ".env").exists() and not os.environ.get("SECRET_KEY"):
        # Nothing is configured, so somebody is trying it out. Production always has a SECRET_KEY.
        os.environ.setdefault("DEBUG", "true")
    try:
        from django.core.management import execute_from_command_line

        from django_compose_stack.env import InvalidVariable
    except ImportError as error:
        raise ImportError(NOT_INSTALLED) from error
    # An invalid variable is one line here, and a long traceback later. Django reports any other error itself.
    with contextlib.suppress(Exception):
        try:
            import_module(os.environ["DJANGO_SETTINGS_MODULE"])
        except InvalidVariable as error:
            sys.exit(str(error))
    execute_from_command_line(sys.argv)


def become_owner(root: Path) -> None:
    """Start again as the owner of the checkout if `docker compose exec` has made this process root's.

    as-owner is the entrypoint of the development image, for `up` and `run`; `exec` does not pass it.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0 != root.stat().st_uid and shutil.which("as-owner"):
        os.execvp("as-owner", ["as-owner", sys.executable, *sys.argv])
