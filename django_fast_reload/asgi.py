"""Whether the project is served as an ASGI application, and which one."""

from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

PROVIDERS = ("daphne", "channels")  # apps that stand for ASGI
MISSING = "ASGI needs uvicorn, which is not installed."
INSTALL = "Install it: python -m pip install uvicorn websockets"
TOO_OLD = "ASGI needs uvicorn 0.35 and websockets 11 or newer. uvicorn {} is installed, or older websockets."
UPGRADE = "Upgrade them: python -m pip install --upgrade uvicorn websockets"


def is_wanted(options: dict) -> bool:
    """Tell whether to serve ASGI: the setting says so, or one of the apps that stand for it."""
    if not options.get("use_asgi", True):
        return False  # --noasgi, an option of daphne's
    wanted = getattr(settings, "DEVSERVER_ASGI", None)
    if wanted is not None:
        return wanted
    return bool(getattr(settings, "ASGI_APPLICATION", None)) and any(map(apps.is_installed, PROVIDERS))


def obstacle() -> str:
    """Say what is missing; empty where nothing is."""
    return "" if find_spec("uvicorn") else f"{MISSING} {INSTALL}"


def replaces(command: type) -> bool:
    """Tell whether a `runserver` with a server of its own is one that this package takes the place of."""
    return command.inner_run.__module__.partition(".")[0] in PROVIDERS


def load_application(options: dict):
    """Return the project's application as daphne's `runserver` would: with static files where that serves them.

    Raises what the project's module raises, and ImproperlyConfigured where that has no such name.
    """
    # Slow, and the checks of every command import this module.
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

    application = default_application()
    is_static = options.get("use_static_handler", apps.is_installed("django.contrib.staticfiles"))
    if is_static and (settings.DEBUG or options.get("insecure_serving")):
        return ASGIStaticFilesHandler(application)
    return application


def default_application():
    """Return what ASGI_APPLICATION names; Django's own application where nothing does, as it is with WSGI."""
    path = getattr(settings, "ASGI_APPLICATION", None)
    if not path:
        from django.core.asgi import get_asgi_application  # for the same reason

        return get_asgi_application()
    module, _, name = path.rpartition(".")
    found = getattr(import_module(module), name, None)
    if found is None:
        raise ImproperlyConfigured(f"ASGI_APPLICATION is {path!r}, but {module} has no {name!r}.")
    return found
