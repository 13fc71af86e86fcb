"""How a `runserver` becomes the supervisor. Imported by manage.py before Django, so it imports nothing large."""

import json
import os
import re
import sys
from getopt import GetoptError, getopt, gnu_getopt

from .package import MAIN

# Those of `runserver` that change nothing here, and those of the interpreter; "=" or ":" where a value follows.
OPTIONS = [
    "ipv6", "nothreading", "nostatic", "insecure", "no-color", "force-color", "skip-checks", "settings=", "pythonpath=",
]  # fmt: skip
FLAGS = "bBdEiIOPqRsSuvxW:X:"
LONG_FLAGS = ["check-hash-based-pycs="]
PROGRAMS = {os.path.realpath(os.path.join(prefix, "bin")) for prefix in (sys.prefix, sys.base_prefix)}
WORKER = "_fast_reload.worker.main"
ADDRESS = re.compile(r"(?:(\[[0-9a-fA-F:]+\]|[\w.-]+):)?(\d+)")


def take_over(argv: list[str]) -> None:
    """Become the supervisor where `argv` asks for an ordinary `runserver`; else return at once.

    Call it in manage.py before Django is imported. Without this call `runserver` still works, but Django is loaded once
    for nothing, and settings that are broken at the very first start end it.
    """
    if len(argv) < 2 or argv[1] != "runserver" or not is_wanted() or obstacle():
        return
    if address := parse(argv[2:]):
        restart_under_supervisor(*address)


def is_wanted() -> bool:
    """Return False where Django's own server was asked for, and in a process that a reloader has started."""
    return os.environ.get("DEVSERVER", "") != "stock" and os.environ.get("RUN_MAIN") != "true"


def obstacle() -> str:
    """Say why there is no fast reload on this system; empty where there is."""
    return "" if sys.platform == "linux" else f"Fast reload needs Linux, and this is {sys.platform}."


def parse(arguments: list[str]) -> tuple[str, int, bool] | None:
    """Return address, port and whether it is IPv6; None where Django itself should read the command line."""
    try:
        options, found = gnu_getopt(arguments, "6", OPTIONS)
    except GetoptError:
        return None
    match = ADDRESS.fullmatch(found[0] if found else "8000")
    if len(found) > 1 or match is None:
        return None
    address, port = match.groups()
    ipv6 = not {"-6", "--ipv6"}.isdisjoint(dict(options)) or bool(address and address.startswith("["))
    host = (address or ("::1" if ipv6 else "127.0.0.1")).strip("[]")
    # The project's own command may have another default port than Django's.
    return None if not found and is_taken(host, int(port)) else (host, int(port), ipv6)


def is_taken(host: str, port: int) -> bool:
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return True
    return False


def make_plan(address: str, port: int, ipv6: bool) -> dict | None:
    """Return all that the supervisor must know; None where it isn't clear how this process was started."""
    start, arguments = sys.orig_argv, sys.argv[1:]
    at = len(start) - len(arguments) - 1
    if at < 1 or start[at + 1 :] != arguments:
        return None
    flags, target = start[1:at], start[at]
    as_module = target.startswith("-m") or flags[-1:] == ["-m"]
    if as_module:
        flags, target = flags[: -1 if flags[-1:] == ["-m"] else None], target.removeprefix("-m")
    try:
        # Anything else is another program that runs this one.
        if getopt(flags, FLAGS, LONG_FLAGS)[1]:
            return None
    except GetoptError:
        return None
    return {
        "address": address,
        "port": port,
        "ipv6": ipv6,
        "flags": flags,
        "as_module": as_module,
        "argv": [target, *arguments],
        "root": os.getcwd() if as_module else root_of(target),
    }


def root_of(script: str) -> str:
    """Return the project's folder: that of manage.py, whatever its name; the current one for an installed program."""
    folder = os.path.dirname(os.path.realpath(script))
    return os.getcwd() if folder in PROGRAMS else folder


def initial_environment() -> dict[bytes, bytes]:
    """Return the environment as this process got it.

    What manage.py or the settings put there since (from .env, say) must not outlive a change of the file.
    """
    with open("/proc/self/environ", "rb") as file:
        pairs = [line.partition(b"=") for line in file.read().split(b"\0") if line]
    return {name: value for name, _, value in pairs}


def restart_under_supervisor(address: str, port: int, ipv6: bool) -> str:
    """Replace this process by the supervisor. Returns only why it isn't clear how this process was started."""
    plan = make_plan(address, port, ipv6)
    if plan is None and "debugpy" in sys.modules:
        return "debugpy runs this program. For a debugger across reloads, set DEVSERVER_DEBUGPY=5678 instead."
    if plan is None:
        return f"It is not clear how to start {sys.argv[0]} again: {sys.orig_argv}."
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    command = [sys.executable, MAIN, "supervise", json.dumps(plan)]
    os.execve(sys.executable, command, initial_environment())


def current_worker():
    """Return the module `worker.main` where this process is the supervisor's worker; else None."""
    return sys.modules.get(WORKER)
