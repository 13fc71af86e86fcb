"""The parts of the stack from the browser to the database, and the addresses of the web server."""

import os
import re
import socket
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.http.request import validate_host

from django_compose_stack.dashboard import network, project_file
from django_compose_stack.dashboard.database import OK, WARNING, Database
from django_compose_stack.dashboard.local import LOCALHOST, is_loopback
from django_compose_stack.host.project import DOCKERFILE

OPEN, REFUSED, CLOSED = "open", "refused", "closed"


class Station(NamedTuple):
    """A part of the stack. state: OK, WARNING or BROKEN; reason: the state in words.

    link: how the part before reaches it. fix: how to close it to other machines.
    """

    title: str
    subtitle: str
    state: str
    reason: str
    facts: tuple[tuple[str, str], ...] = ()
    link: str = ""
    fix: str = ""


class Addresses(NamedTuple):
    """Addresses of the web server in the same state: OPEN, REFUSED or CLOSED. pairs: interface and URL."""

    place: str
    pairs: tuple[tuple[str, str], ...]
    state: str
    why: str


def url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def shared(port: int) -> str:
    """Return the address that `make share` opened to the local network; "" if it is closed."""
    outer = settings.WEB_PORT if network.IN_CONTAINER else port
    return f"{url(settings.SHARED_AT, outer)}/" if settings.SHARED_AT else ""


def listens_text(listens: list[str], port: int) -> str:
    if set(listens) & network.EVERY:
        return f"{listens[0]}:{port}, every interface"
    return ", ".join(f"{address}:{port}" for address in listens) or f"port {port}"


def chain(request: HttpRequest, listens: list[str], database: Database) -> list[Station]:
    """Return the stations in the order in which a request passes through them."""
    port = int(request.META["SERVER_PORT"])
    browser = Station("Browser", "you", OK, "It shows this page.", (("requested", request.get_host()),))
    if network.IN_CONTAINER:
        return [browser, host_station(port), web_station(port, listens), database_station(database)]
    return [browser, process_station(port, listens), database_station(database)]


def host_station(port: int) -> Station:
    host, names = settings.WEB_HOST, filter(None, (settings.WEB_HOST, settings.SHARED_AT))
    published = ("publishes", ", ".join(f"{name}:{settings.WEB_PORT}" for name in names))
    facts = (published, ("leads to", f"port {port} of web"))
    station = Station("Your machine", "published port", WARNING, "Open to the local network.", facts, "http")
    if not settings.WEB_PORT:
        reason = "Compose did not start this container. docker ps shows its address."
        return station._replace(reason=reason, facts=(("publishes", "unknown inside the container"),), link="")
    if settings.SHARED_AT:
        return station._replace(fix="make up closes it.")
    if is_loopback(host):
        return station._replace(state=OK, reason="Open to this machine only.")
    return station._replace(
        reason="Open to the whole network; a firewall such as ufw does not protect it.",
        fix=f"WEB_HOST={host} opens it. To close it: WEB_HOST=127.0.0.1 in .env, then make up.",
    )


def web_station(port: int, listens: list[str]) -> Station:
    inside = [each for each in network.interfaces() if not is_loopback(each.address)]
    exposed = re.search(r"^EXPOSE +(\S+)", project_file(DOCKERFILE), re.M)
    facts = (
        ("listens on", listens_text(listens, port)),
        *((each.name, each.address) for each in inside),
        ("EXPOSE", f"{exposed[1] if exposed else ''}: a label that opens no port"),
    )
    reached = any(network.is_open(each.address, listens) for each in inside)
    reason = (
        "The server answers."
        if reached
        else "It listens on the container's own loopback, which nothing outside can reach."
    )
    link = f"{settings.WEB_PORT or '…'} → {port}"
    return Station("web", f"container {socket.gethostname()}", OK if reached else WARNING, reason, facts, link)


def process_station(port: int, listens: list[str]) -> Station:
    facts = (
        ("listens on", listens_text(listens, port)),
        ("process", str(os.getpid())),
        ("isolates", "Python packages, not the network"),
    )
    is_local = all(is_loopback(address) for address in listens)
    reason = f"It answers, to {'this machine only' if is_local else 'the whole network'}."
    fix = "make up closes it." if settings.SHARED_AT and not is_local else ""
    return Station("runserver", "no container", OK if is_local else WARNING, reason, facts, "http", fix)


def database_station(database: Database) -> Station:
    if database.problem:
        reason = database.reason
    elif count := len(database.pending):
        reason = f"It answers; {count} unapplied migration{'s' if count > 1 else ''}."
    else:
        reason = "It answers; all migrations are applied."
    facts = (("address", database.where), *database.facts)
    return Station("db", database.label, database.state, reason, facts, "SQL")


def addresses(port: int, listens: list[str]) -> list[Addresses]:
    """Return all addresses of the web server: those of the machine, then those of the container."""
    place = "inside the web container" if network.IN_CONTAINER else "this machine"
    states: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for each in network.interfaces():
        states.setdefault(state_of(each.address, listens), []).append((each.name, url(each.address, port)))
    found = [Addresses(place, tuple(pairs), *key) for key, pairs in states.items()]
    return [*(published() if network.IN_CONTAINER else []), *sorted(found, key=lambda each: each.state != OPEN)]


def published() -> list[Addresses]:
    """Return the addresses of the machine that runs the container, as far as they are known inside it."""
    place, host, port = "your machine", settings.WEB_HOST, settings.WEB_PORT
    if not port:
        why = "Compose did not start this container, so its address is unknown here. On your machine: docker ps"
        return [Addresses(place, (), CLOSED, why)]

    def lan(names: list[str], state: str, why: str) -> Addresses:
        return Addresses(place, tuple(("Wi-Fi, Ethernet", url(name, port)) for name in names), state, why)

    here = (("loopback", url("127.0.0.1" if host in network.EVERY else host, port)),)
    loopback = Addresses(place, here, OPEN, "compose.yaml publishes the port here. WEB_HOST and WEB_PORT change it.")
    if settings.SHARED_AT:
        why = "make share opened it to the local network. make up closes it."
        return [loopback, lan([settings.SHARED_AT], OPEN, why)]
    if is_loopback(host):
        why = f"compose.yaml publishes the port on {host} only. make share opens it to your phone."
        return [loopback, lan(["LAN-ADDRESS"], CLOSED, why)]
    why = f"compose.yaml publishes the port on {host}, which WEB_HOST names: open to the whole network."
    if host in network.EVERY:
        return [Addresses(place, (*here, *lan(named_hosts(), OPEN, why).pairs), OPEN, why)]
    return [lan([host], OPEN, why)]


def named_hosts() -> list[str]:
    """Return the host names by which other machines can reach the site."""
    own = [each.address for each in network.interfaces()]
    return [host for host in settings.ALLOWED_HOSTS if host not in ("*", *own) and not is_loopback(host)]


def state_of(address: str, listens: list[str]) -> tuple[str, str]:
    """Return the state of an address of this machine or container, and why."""
    inside = network.IN_CONTAINER
    if not network.is_open(address, listens):
        if "0.0.0.0" in listens:
            return CLOSED, "The server listens on 0.0.0.0: all IPv4 addresses, no IPv6."
        effect = "nothing outside this container can reach it" if inside else "make share opens the others"
        return CLOSED, f"The server listens on {' and '.join(listens) or 'another address'} only: {effect}."
    host = f"[{address}]" if ":" in address else address
    # Django accepts localhost if ALLOWED_HOSTS is empty.
    if not validate_host(host, settings.ALLOWED_HOSTS or LOCALHOST):
        return REFUSED, "The port is open, but the address is not in ALLOWED_HOSTS: Django answers 400."
    if is_loopback(address):
        where = "inside this container: its localhost is not your machine's" if inside else "on this machine"
        return OPEN, f"For programs {where}."
    if inside:
        return OPEN, "For the other containers of this project and, on Linux, for your machine."
    return OPEN, "For all machines in these networks."
