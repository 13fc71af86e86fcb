"""How a `runserver` comes under the supervisor. Imported by manage.py before Django, so it imports nothing large."""

import json
import os
import re
import sys

FLAGS = {
    "-6", "--ipv6", "--nothreading", "--nostatic", "--insecure", "--no-color", "--force-color", "--skip-checks",
}  # fmt: skip
OPTIONS = {"--settings", "--pythonpath"}  # each followed by a value
ADDRESS = re.compile(r"(?:(\[[0-9a-fA-F:]+\]|[\w.-]+):)?(\d+)")
ENGINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")


def take_over(argv: list[str]) -> None:
    """Become the supervisor where `argv` asks for an ordinary `runserver`; else return at once.

    Call it in manage.py before Django is imported. Without this call `runserver` still works, but Django is loaded once
    for nothing, and settings that are broken at the very first start end it.
    """
    if len(argv) < 2 or argv[1] != "runserver" or not is_possible():
        return
    address = parse(argv[2:])
    plan = address and make_plan(*address)
    if plan:
        from .supervisor import supervise

        sys.exit(supervise(plan, initial_environment()))


def is_possible() -> bool:
    """Tell whether this process may hand over: Linux (fork, inotify), not switched off, not the child itself."""
    wanted = os.environ.get("DEVSERVER", "") != "stock" and os.environ.get("RUN_MAIN") != "true"
    return wanted and sys.platform == "linux"


def parse(arguments: list[str]) -> tuple[str, int, bool] | None:
    """Return address, port and whether it is IPv6; None where Django itself should read the command line."""
    found, ipv6, rest = [], False, iter(arguments)
    for argument in rest:
        if argument in OPTIONS:
            next(rest, None)
        elif argument in FLAGS:
            ipv6 = ipv6 or argument in ("-6", "--ipv6")
        elif argument.partition("=")[0] not in OPTIONS:
            found.append(argument)
    match = ADDRESS.fullmatch(found[0] if found else "8000")
    if len(found) > 1 or match is None:
        return None
    address, port = match.groups()
    ipv6 = ipv6 or bool(address and address.startswith("["))
    return (address or ("::1" if ipv6 else "127.0.0.1")).strip("[]"), int(port), ipv6


def make_plan(address: str, port: int, ipv6: bool) -> dict | None:
    """Return all that the supervisor must know; None where it isn't clear how this process was started."""
    start, arguments = sys.orig_argv, sys.argv[1:]
    at = len(start) - len(arguments) - 1
    if at < 1 or start[at + 1 :] != arguments:
        return None
    flags, target = start[1:at], start[at]
    as_module = target.startswith("-m") or flags[-1:] == ["-m"]
    if as_module:
        flags, target = [flag for flag in flags if flag != "-m"], target.removeprefix("-m")
    own_folder = not as_module and target.endswith(".py")
    return {
        "address": address,
        "port": port,
        "ipv6": ipv6,
        "flags": flags,
        "as_module": as_module,
        "argv": [target, *arguments],
        "root": os.path.dirname(os.path.realpath(target)) if own_folder else os.getcwd(),
    }


def initial_environment() -> dict[bytes, bytes]:
    """Return the environment as this process got it.

    What manage.py or the settings put there since (from .env, say) must not outlive a change of the file.
    """
    with open("/proc/self/environ", "rb") as file:
        pairs = [line.partition(b"=") for line in file.read().split(b"\0") if line]
    return {name: value for name, _, value in pairs}


def restart_under_supervisor(address: str, port: int, ipv6: bool) -> bool:
    """Replace this process by the supervisor; return False where that can't be done."""
    plan = make_plan(address, port, ipv6)
    if plan is None:
        return False
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    command = [sys.executable, ENGINE, "supervise", json.dumps(plan)]
    os.execve(sys.executable, command, initial_environment())


def child():
    """Return the module that runs this process as the supervisor's child; None anywhere else."""
    return sys.modules.get("_devserver.child")
