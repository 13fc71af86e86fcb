"""Keeps checkouts apart: each has its own port for the page, and its own name of the Compose project."""

import errno
import os
import re
import socket
from pathlib import Path

from django_compose_stack.host import dotenv, dotfile
from django_compose_stack.host.process import output, say
from django_compose_stack.host.project import LAYOUT, ROOT, content

USUAL = 8000
LAST = 65535
ENV = ROOT / ".env"


def bind_error(address, port):
    """Return the errno with which a bind to a TCP port fails; 0 if it succeeds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno or -1
    return 0


def free_port(address, port, is_taken=lambda number: False):
    """Return the first free port above `port`; None if there is none.

    is_taken: returns whether a port is unavailable although nothing listens on it.
    """
    numbers = range(port + 1, LAST + 1)
    return next((number for number in numbers if not bind_error(address, number) and not is_taken(number)), None)


def own_address():
    """Return the IPv4 address by which other machines reach this one; empty if it seems to be in no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nobody has this address: the route to it is the one to everywhere. A datagram socket sends nothing here.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return probe.getsockname()[0]


def setting(name):
    """Return a variable as Compose resolves it, from the environment, else from .env; empty if neither sets it."""
    if name in os.environ:
        return os.environ[name]
    return dotenv.compose_values(content(ENV), os.environ).get(name, "")


def project_name():
    """Return the name of the Compose project that is written down; empty if Compose derives it from the folder."""
    return setting("COMPOSE_PROJECT_NAME") or LAYOUT.get("name", "")


def is_published(port):
    """Return whether a container publishes the port. Without userland proxy, the engine does not listen on it."""
    return bool(output("docker", "ps", "--quiet", f"--filter=publish={port}"))


def of_page():
    """Return the port of the page, whether it is running or not."""
    wanted = setting("WEB_PORT")
    return int(wanted) if wanted.isdigit() else USUAL


def is_taken(port, has_engine):
    """Return whether a program listens on the port of the page's address, or a container publishes it."""
    taken = bind_error(setting("WEB_HOST") or "127.0.0.1", port) == errno.EADDRINUSE
    return taken or (has_engine and is_published(port))


def claim(has_engine):
    """Write the next free port to .env if the port of the page is taken, so that Compose and all commands use it.

    Called only while WEB_PORT is not set.
    """
    taken = of_page()
    if is_taken(taken, has_engine):
        free = free_port(setting("WEB_HOST") or "127.0.0.1", taken, lambda port: has_engine and is_published(port))
        if free is not None:
            write("WEB_PORT", str(free), f"port {taken} is taken")


def write(name, value, reason):
    dotfile.set_variable(ENV, name, value)
    say(f"{reason}, so .env has {name}={value} from now on")


def keep_apart(folder, projects):
    """Write another project name to .env if another folder of the same name already uses this one.

    projects: list of (name, folder), one for each container of the engine.
    """
    name = project_name() or re.sub("[^a-z0-9_-]", "", folder.name.lower()).lstrip("_-")
    folders = {other for used, other in projects if used == name}
    # If that folder no longer exists, it was probably moved here, and its containers and data are this checkout's.
    if not folders or str(folder) in folders or not any(Path(other).is_dir() for other in folders):
        return
    names = {used for used, _ in projects}
    free = next(f"{name}-{number}" for number in range(2, LAST) if f"{name}-{number}" not in names)
    write("COMPOSE_PROJECT_NAME", free, f"project {name} belongs to {', '.join(sorted(folders))}")
