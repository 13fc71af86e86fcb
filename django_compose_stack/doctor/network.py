"""Checks of addresses: the port of the page, and networks that overlap with others."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import struct
from pathlib import Path

from django_compose_stack.doctor.stack import Finding, Findings, Stack, label
from django_compose_stack.host import dotfile
from django_compose_stack.host.apart import USUAL, bind_error, free_port
from django_compose_stack.host.project import content

# From which an engine takes the subnets of new networks by default.
POOLS = [
    *(ipaddress.ip_network(f"172.{second}.0.0/16") for second in range(17, 32)),
    *ipaddress.ip_network("192.168.0.0/16").subnets(new_prefix=20),
]
ONE_PROGRAM = "Only one program can listen on a port, so the page cannot be published there."
DOCKERS = re.compile(r"docker|br-|veth|lo$")


def holding_process(stack: Stack, port: int) -> str:
    """Return a description of the process that listens on a TCP port, which this user may not be allowed to see."""
    listed = stack.run("ss", "-Hltnp", f"sport = :{port}").stdout
    found = re.search(r'users:\(\("(?P<name>[^"]+)",pid=(?P<pid>\d+)', listed)
    if not found:
        listed = stack.run("lsof", "-nPFpc", f"-iTCP:{port}", "-sTCP:LISTEN").stdout
        found = re.search(r"^p(?P<pid>\d+)\nc(?P<name>.+)", listed, re.M)
    return "process {pid} ({name})".format(**found.groupdict()) if found else "a process of another user"


def publishing_container(stack: Stack, port: int) -> tuple[str, bool] | None:
    """Return a description of the running container that publishes the port, and whether it is this project's."""
    listed = stack.run("docker", "ps", "--quiet", "--filter", f"publish={port}").stdout.split()
    for container in stack.json("docker", "inspect", *listed) or [] if listed else []:
        folder = label(container, "project.working_dir")
        text = f"container {container['Name'].lstrip('/')}" + (f" of the stack in {folder}" if folder else "")
        return text, stack.is_own(container)
    return None


def wanted_port(stack: Stack) -> str:
    """Return WEB_PORT as it is set, or the port that an empty one stands for."""
    return stack.value("WEB_PORT") or str(USUAL)


def published(stack: Stack) -> list[tuple[str, int]]:
    """Return the addresses and ports on which the project is to listen on this machine."""
    if stack.mode == "native":
        port = wanted_port(stack)
        return [(stack.value("WEB_HOST"), int(port))] if port.isdigit() else []
    return [
        (port.get("host_ip") or "0.0.0.0", int(port["published"]))
        for service in stack.services.values()
        for port in service.get("ports") or []
        if str(port.get("published", "")).isdigit() and int(port["published"])
    ]


def check_ports(stack: Stack) -> Findings:
    for address, port in published(stack):
        yield from examine_port(stack, address, port)


def examine_port(stack: Stack, address: str, port: int) -> Findings:
    """Check that the stack can listen there, or already does."""
    error = bind_error(address, port)
    if error == errno.EADDRNOTAVAIL:
        yield Finding(
            "address",
            f"WEB_HOST is {address}, which is not an address of this machine",
            "Nothing can listen there.",
            "WEB_HOST=127.0.0.1 in .env, then: make up. To list your addresses: ip -brief address (macOS: ifconfig)",
        )
    if error != errno.EADDRINUSE:
        return
    container = publishing_container(stack, port) if stack.info else None
    is_own_server = is_native_server(stack, port)
    if container[1] if container else is_own_server and stack.mode == "native":
        return
    if is_own_server:
        problem = f"port {port} of {address} is taken by the server that native mode started in this folder"
        yield Finding("port", problem, ONE_PROGRAM, "make down MODE=native, then: make up")
        return
    free = free_port(address, port)

    def apply() -> str:
        dotfile.set_variable(stack.env_file, "WEB_PORT", str(free))
        return f"wrote WEB_PORT={free} to .env"

    yield Finding(
        "port",
        f"port {port} of {address} is taken by {container[0] if container else holding_process(stack, port)}",
        ONE_PROGRAM,
        f"Stop it, or set WEB_PORT={free} in .env; then: make up",
        None if free is None or "WEB_PORT" in stack.environment or str(port) != wanted_port(stack) else apply,
    )


def is_native_server(stack: Stack, port: int) -> bool:
    """Return whether native mode's server of this checkout listens on the port: it locks the file with its address.

    The working folder of the process would prove nothing: any process started in the checkout has the same.
    """
    if os.name == "nt":
        return False
    from django_compose_stack.native.common import is_locked  # needs fcntl

    path = stack.root / ".native/web"
    try:
        return is_locked(path) and path.read_text().strip().endswith(f":{port}")
    except OSError:
        return False


def routes() -> list[tuple[str, ipaddress.IPv4Network]]:
    """Return interface and destination of each IPv4 route except the default; Linux only."""
    found = []
    for line in content(Path("/proc/net/route")).splitlines()[1:]:
        interface, destination, *rest = line.split()
        address, mask = (struct.pack("<L", int(text, 16)) for text in (destination, rest[5]))
        network = ipaddress.ip_network((address, bin(int.from_bytes(mask, "big")).count("1")), strict=False)
        if network.prefixlen:
            found.append((interface, network))
    return found


def check_subnets(stack: Stack) -> Findings:
    """Look for routes, of a VPN for instance, that overlap with the networks of containers."""
    if not stack.info:
        return
    foreign = [(interface, network) for interface, network in routes() if not DOCKERS.match(interface)]
    name = f"{stack.name}_default"
    networks = stack.json("docker", "network", "inspect", name) if stack.name else None
    for network in networks or []:
        for pool in network["IPAM"]["Config"] or []:
            subnet = ipaddress.ip_network(pool["Subnet"])
            for interface, route in foreign:
                if subnet.version == 4 and subnet.overlaps(route):
                    yield overlap(
                        stack, f"network {name} ({subnet}) and the route to {route} through {interface} overlap"
                    )
    pools = [ipaddress.ip_network(pool["Base"]) for pool in stack.info.get("DefaultAddressPools") or []] or POOLS
    if not networks and foreign and all(any(pool.overlaps(route) for _, route in foreign) for pool in pools):
        interfaces = sorted({interface for interface, route in foreign if any(pool.overlaps(route) for pool in pools)})
        yield overlap(stack, f"{', '.join(interfaces)} has routes to every subnet that the engine can use")


def overlap(stack: Stack, problem: str) -> Finding:
    used = [network for _, network in routes()]
    candidates = ipaddress.ip_network("10.0.0.0/8").subnets(new_prefix=24)
    free = next((one for one in candidates if not any(one.overlaps(network) for network in used)), "a free subnet")
    return Finding(
        "subnet",
        problem,
        "Packets to containers go to the other network (often a VPN), and the engine may refuse to create networks.",
        "Leave that network, or give this stack another one. In compose.override.yaml: "
        f'networks: {{default: {{ipam: {{config: [{{subnet: "{free}"}}]}}}}}}; then: make down up',
    )
