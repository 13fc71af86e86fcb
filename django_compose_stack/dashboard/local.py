"""Which requests may see the dashboard, and which may change something through it.

A page of another site must not reach either through the developer's browser, and another machine must not migrate
this one's database.
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
    """Say whether only this machine reaches an address; a name other than localhost is taken not to be."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def has_known_host(request: HttpRequest) -> bool:
    """Say whether the Host header is localhost or named in ALLOWED_HOSTS, where "*" names nothing.

    With "*" a site that points its own name at 127.0.0.1 (DNS rebinding) would be of one origin with this page.
    """
    domain, _ = split_domain_port(request.get_host())
    return validate_host(domain, [*LOCALHOST, *(host for host in settings.ALLOWED_HOSTS if host != "*")])


def why_not_local(request: HttpRequest) -> str:
    """Say why a request may come from another machine than the developer's; "" where it cannot.

    Without Docker the connection must come from one of this machine's own addresses. Behind a port that Docker
    publishes it comes from the gateway, and it always does from this machine; but Docker Desktop, rootless engines
    and IPv6 show other machines as the gateway too. So the port must be published on loopback as well.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    if any(name in request.headers for name in PROXIED):
        return "This request came through a proxy, so anybody may have sent it."
    if not network.IN_CONTAINER:
        own = is_loopback(peer) or peer in [each.address for each in network.interfaces()]
        return "" if own else f"This request came from {peer}, which is another machine."
    if is_loopback(peer):
        return ""
    if peer != network.gateway():
        return f"This request came from {peer}, which is another machine or container."
    if not settings.WEB_HOST:
        return "Compose did not start this container, so it cannot know who reaches its port."
    others = [host for host in (settings.SHARED_AT, settings.WEB_HOST) if host and not is_loopback(host)]
    return f"The port is published on {others[0]}, where other machines reach it too." if others else ""


def development_only(view: Callable) -> Callable:
    """Answer 404 while DEBUG is off, and 403 to a host name that is not known to be the developer's."""

    @never_cache
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not settings.DEBUG:
            raise Http404
        if not has_known_host(request):
            raise PermissionDenied(f"{request.get_host()} is not in ALLOWED_HOSTS.")
        return view(request, *args, **kwargs)

    return guarded
