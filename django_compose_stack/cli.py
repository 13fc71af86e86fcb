"""The program: python3 .stack COMMAND, and behind each target of the Makefile.

Python 3.8 or newer, standard library only. A command's modules are imported when it runs, so that each starts quickly
and works where the others would not.
"""

import os
import re
import shlex
import sys
from importlib import import_module

from django_compose_stack.host.mode import mode
from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import LAYOUT, ROOT, compose_variables

# Command: module and function, and what it takes: at least, at most, and how that is written.
DEVELOPMENT = "development"
COMMANDS = {
    "up": (DEVELOPMENT, "up", 0, 0, ""),
    "down": (DEVELOPMENT, "down", 0, 0, ""),
    "restart": (DEVELOPMENT, "restart", 0, 0, ""),
    "logs": (DEVELOPMENT, "logs", 0, 0, ""),
    "ps": (DEVELOPMENT, "ps", 0, 0, ""),
    "open": (DEVELOPMENT, "open_page", 0, 0, ""),
    "share": ("share", "share", 0, 1, "[LAN_ADDRESS]"),
    "debug": (DEVELOPMENT, "debug", 0, 0, ""),
    "bash": (DEVELOPMENT, "bash", 0, 0, ""),
    "shell": (DEVELOPMENT, "shell", 0, 0, ""),
    "dbshell": (DEVELOPMENT, "dbshell", 0, 0, ""),
    "migrate": (DEVELOPMENT, "migrate", 0, 0, ""),
    "migrations": (DEVELOPMENT, "migrations", 0, 0, ""),
    "superuser": (DEVELOPMENT, "superuser", 0, 0, ""),
    "run": (DEVELOPMENT, "in_web", 1, None, "CMD..."),
    "app": (DEVELOPMENT, "app", 1, 1, "NAME"),
    "test": (DEVELOPMENT, "test", 0, None, "[PYTEST-OPTION...]"),
    "lint": (DEVELOPMENT, "lint", 0, 0, ""),
    "format": (DEVELOPMENT, "format_code", 0, 0, ""),
    "check": (DEVELOPMENT, "check", 0, 0, ""),
    "reset": (DEVELOPMENT, "reset", 0, 0, ""),
    "add": ("dependencies", "add", 1, 1, "PACKAGE"),
    "lock": ("dependencies", "lock", 0, None, "[UV-OPTION...]"),
    "write-locks": ("dependencies", "write", 0, None, "[add PACKAGE] [UV-OPTION...]"),
    "backup": ("data.commands", "backup", 0, 0, ""),
    "backups": ("data.commands", "backups", 0, 0, ""),
    "restore": ("data.commands", "restore", 1, 1, "FILE"),
    "restore-undo": ("data.commands", "restore-undo", 0, 0, ""),
    "restore-forget": ("data.commands", "restore-forget", 0, 0, ""),
    "db-password": ("data.commands", "db-password", 0, 0, ""),
    "upgrade-db": ("data.commands", "upgrade-db", 1, 1, "TO"),
    "prod-up": ("production.rehearsal", "up", 0, 0, ""),
    "prod-down": ("production.rehearsal", "down", 0, 0, ""),
    "prod-compose": ("production.rehearsal", "pass_on", 1, None, "ARGUMENT..."),
    "prod-exec": ("production.rehearsal", "execute", 2, None, "SERVICE CMD..."),
    "deploy": ("production.release", "deploy", 0, 0, ""),
    "rollback": ("production.release", "rollback", 0, 1, "[VERSION]"),
    "releases": ("production.release", "show", 0, 0, ""),
    "new": ("scaffold.new", "main", 1, 1, "DIR"),
    "init": ("scaffold.init", "main", 1, None, "DIR [--yes] [--database postgres]"),
    "update": ("scaffold.update", "main", 1, 1, "FROM"),
    "wheels": ("scaffold.wheel", "build", 1, 1, "DIR"),
    "doctor": ("doctor.command", "main", 0, 2, "[--fix] [--json]"),
    "native": ("native.start", "main", 0, None, "CMD..."),
}
# What takes its words as one list and returns the exit status.
PROGRAMS = {"doctor", "native", "init"}
NOT_IN_PRODUCTION = {
    "up", "down", "open", "share", "debug", "reset", "app", "add", "lock", "migrations", "test", "lint", "format",
}  # fmt: skip

OWN_TOOLS = "Use the project's own tools: python3 .stack run CMD..."
PRODUCTION = "It keeps its own way to production"
NOT_AFTER_INIT = {
    **dict.fromkeys(("add", "lock", "write-locks", "lint", "format", "app"), OWN_TOOLS),
    **dict.fromkeys(
        ("prod-up", "prod-down", "prod-compose", "prod-exec", "deploy", "rollback", "releases"), PRODUCTION
    ),
    "debug": "Add debugpy and a port to the Compose file",
}


def listing():
    """Return the list of commands, each with what the project's Makefile says of it."""
    makefile = ROOT / "Makefile"
    text = makefile.read_text(encoding="utf-8") if makefile.is_file() else ""
    help_of = dict(re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.M))
    lines = [f"  {f'{name} {entry[4]}':32}{help_of.get(name, '')}".rstrip() for name, entry in COMMANDS.items()]
    return "\n".join(["python3 .stack COMMAND, one of these:", "", *lines])


def refusal(name, words):
    """Return why a command cannot run with these words here; empty where it can."""
    if name not in COMMANDS:
        return f"there is no command {name!r}. See: python3 .stack help"
    *_, least, most, usage = COMMANDS[name]
    if len(words) < least or (most is not None and len(words) > most):
        problem = f"{usage} is missing" if len(words) < least else f"{words[-1]!r} is one word too many"
        hint = f" Try: make {name} {usage}=…" if least == most == 1 else ""
        return f"{name}: {problem}. Expected: " + f"python3 .stack {name} {usage}".rstrip() + f".{hint}"
    if name in NOT_IN_PRODUCTION and os.environ.get("MODE") == "production":
        return f"'{name}' is not for production. See: make help"
    if LAYOUT and name in NOT_AFTER_INIT:
        return f"'{name}' is not for projects that existed before the stack. {NOT_AFTER_INIT[name]}"
    return ""


def main(words):
    """Run the command that `words` name, and return its exit status."""
    if not words or words[0] in ("help", "-h", "--help"):
        print(listing())
        return 0 if words else 2
    name, *rest = words
    if not rest and os.environ.get("ARGS") and name in COMMANDS and COMMANDS[name][3] is None:
        rest = shlex.split(os.environ["ARGS"])
    if problem := refusal(name, rest):
        print(f"stack: {problem}", file=sys.stderr)
        return 2
    module, function, *_ = COMMANDS[name]
    os.environ.update(compose_variables())
    try:
        loaded = import_module(f"django_compose_stack.{module}")
        if name in PROGRAMS:
            return getattr(loaded, function)(rest)
        if module == "data.commands":
            loaded.main(mode(), name, *rest)
        else:
            getattr(loaded, function)(*rest)
    except Failure as failure:
        print(f"stack: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
