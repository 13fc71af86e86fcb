"""The network interfaces of the machine or container of this process, and what listens on them."""

import ipaddress
import shutil
import socket
import struct
import sys
from pathlib import Path
from typing import NamedTuple

from django_compose_stack.host.apart import own_address
from django_compose_stack.host.project import content

# The entrypoint of the development image. A file such as /.dockerenv exists in every container, even in one that
# somebody uses like a machine.
IN_CONTAINER = shutil.which("as-owner") is not None
EVERY = {"0.0.0.0", "::"}
SIOCGIFADDR = 0x8915  # linux/sockios.h
LISTEN = "0A"  # a socket's state in /proc/net/tcp, include/net/tcp_states.h
LINK_LOCAL = "20"  # an address's scope in /proc/net/if_inet6
PROC = Path("/proc/net")


class Interface(NamedTuple):
    """name: "eth0"; address: without a mask."""

    name: str
    address: str


def interfaces() -> list[Interface]:
    """Return the interfaces that have an address, IPv4 before IPv6, in the kernel's order."""
    if sys.platform != "linux":
        return [Interface("lo0", "127.0.0.1"), *(Interface("-", address) for address in [own_address()] if address)]
    found = [Interface(name, address) for _, name in socket.if_nameindex() for address in ipv4_of(name)]
    for line in content(PROC / "if_inet6").splitlines():
        digits, _, _, scope, _, name = line.split()
        if scope != LINK_LOCAL:
            found.append(Interface(name, str(ipaddress.IPv6Address(int(digits, 16)))))
    return found


def ipv4_of(name: str) -> list[str]:
    """Return the first IPv4 address of an interface as a list; empty if it has none."""
    import fcntl  # not on Windows

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return []
    return [socket.inet_ntoa(answer[20:24])]


def decoded(digits: str) -> str:
    """Return an address of /proc/net/tcp, 32-bit words in this machine's byte order, as text."""
    packed = b"".join(struct.pack("=I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
    return str(ipaddress.ip_address(packed))


def listening(port: int) -> list[str]:
    """Return the addresses on which something listens at a TCP port; "0.0.0.0" means all of IPv4."""
    if sys.platform != "linux":
        return [each.address for each in interfaces() if answers(each.address, port)]
    found = []
    for name in ("tcp", "tcp6"):
        for line in content(PROC / name).splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == LISTEN and int(number, 16) == port:
                found.append(decoded(address))
    return found


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=0.2).close()
    except OSError:
        return False
    return True


def is_open(address: str, listens: list[str]) -> bool:
    """Return whether a connection to an address of this machine or container finds a listener."""
    # A socket on :: accepts IPv4 too by default, and runserver keeps the default.
    every = EVERY if "." in address else {"::"}
    return address in listens or bool(every & set(listens))


def gateway() -> str:
    """Return the IPv4 address of the default route's gateway; "" if there is none.

    Through a port that Docker publishes, connections from this machine come from there.
    """
    for line in content(PROC / "route").splitlines()[1:]:
        _, destination, router, *_ = line.split()
        if int(destination, 16) == 0:
            return decoded(router)
    return ""
