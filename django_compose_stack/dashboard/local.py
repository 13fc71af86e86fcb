"""Which requests may see the dashboard, and which may migrate the database through it.

Pages of other sites must not reach it through the developer's browser. Other machines must not migrate the database.
"""

import ipaddress
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.request import split_domain_port, validate_host
from django.views.decorators.cache import never_cache

from django_compose_stack.dashboard import network

LOCALHOST = [".localhost", "127.0.0.1", "[::1]"]
PROXIED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")


def is_loopback(address: str) -> bool:
    """Return whether only this machine can reach an address; for a name, only localhost counts."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def has_known_host(request: HttpRequest) -> bool:
    """Return whether the Host header is localhost or listed in ALLOWED_HOSTS; "*" does not count.

    With "*", a site that points its own name at 127.0.0.1 (DNS rebinding) would share an origin with this page.
    """
    domain, _ = split_domain_port(request.get_host())
    return validate_host(domain, [*LOCALHOST, *(host for host in settings.ALLOWED_HOSTS if host != "*")])


def why_not_local(request: HttpRequest) -> str:
    """Return why a request may come from a machine other than the developer's; "" if it cannot.

    Without Docker, the connection must come from one of this machine's own addresses. Through a port that Docker
    publishes, every connection of this machine comes from the gateway; but with Docker Desktop, rootless engines and
    IPv6 those of other machines do too. So the port must also be published on loopback only.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    if any(name in request.headers for name in PROXIED):
        return "This request came through a proxy, so any machine may have sent it."
    if not network.IN_CONTAINER:
        own = is_loopback(peer) or peer in [each.address for each in network.interfaces()]
        return "" if own else f"This request came from {peer}, which is another machine."
    if is_loopback(peer):
        return ""
    if peer != network.gateway():
        return f"This request came from {peer}, which is another machine or container."
    if not settings.WEB_HOST:
        return "Compose did not start this container, so it is unknown which machines can reach its port."
    others = [host for host in (settings.SHARED_AT, settings.WEB_HOST) if host and not is_loopback(host)]
    return f"The port is published on {others[0]}, where other machines can reach it." if others else ""


def development_only(view: Callable) -> Callable:
    """Answer 404 while DEBUG is off, and 403 for a host name that is not the developer's."""

    @never_cache
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not settings.DEBUG:
            raise Http404
        if not has_known_host(request):
            raise PermissionDenied(f"{request.get_host()} is not in ALLOWED_HOSTS.")
        return view(request, *args, **kwargs)

    return guarded
