"""Which protocol the project is served with."""

from django.core.exceptions import ImproperlyConfigured

from .. import asgi


def server_class(options: dict) -> type:
    """Return the class of the server. Raises ImproperlyConfigured where that for ASGI lacks uvicorn."""
    if not asgi.is_wanted(options):
        from .server import Server

        return Server
    if text := asgi.obstacle():
        raise ImproperlyConfigured(text)
    from .asgi import AsgiServer

    return AsgiServer
