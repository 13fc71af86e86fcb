"""The program: python3 .stack COMMAND, and behind each target of the Makefile.

Each command imports only what it needs, so that it starts quickly and works where another one would not.
"""

import os
import re
import shlex
import sys
from importlib import import_module

from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import LAYOUT, ROOT, compose_variables, content

# Command: the usage of the words behind it, its module, the function there, and the first words that the function gets.
DEVELOPMENT = "development"
COMMANDS = {
    "up": ("", DEVELOPMENT, "up"),
    "down": ("", DEVELOPMENT, "down"),
    "restart": ("", DEVELOPMENT, "stack", "restart", "web"),
    "logs": ("", DEVELOPMENT, "stack", "logs", "-f"),
    "ps": ("", DEVELOPMENT, "stack", "ps"),
    "open": ("", DEVELOPMENT, "open_page"),
    "share": ("[LAN_ADDRESS]", "share", "share"),
    "debug": ("", DEVELOPMENT, "debug"),
    "bash": ("", DEVELOPMENT, "in_web", "bash"),
    "shell": ("", DEVELOPMENT, "manage", "shell"),
    "dbshell": ("", DEVELOPMENT, "dbshell"),
    "migrate": ("", DEVELOPMENT, "manage", "migrate"),
    "migrations": ("", DEVELOPMENT, "manage", "makemigrations"),
    "superuser": ("", DEVELOPMENT, "manage", "createsuperuser"),
    "run": ("CMD...", DEVELOPMENT, "in_web"),
    "app": ("NAME", DEVELOPMENT, "manage", "startapp"),
    "test": ("[PYTEST-OPTION...]", DEVELOPMENT, "test"),
    "watch": ("[PYTEST-OPTION...]", DEVELOPMENT, "watch"),
    "lint": ("", DEVELOPMENT, "lint"),
    "format": ("", DEVELOPMENT, "format_code"),
    "check": ("", DEVELOPMENT, "check"),
    "reset": ("", DEVELOPMENT, "reset"),
    "add": ("[--service] NAME", "dependencies", "add"),
    "remove": ("[--service] NAME", "dependencies", "remove"),
    "lock": ("[UV-OPTION...]", "dependencies", "lock"),
    "write-locks": ("[add PACKAGE] [UV-OPTION...]", "dependencies", "write"),
    "backup": ("", "data.commands", "main", "backup"),
    "backups": ("", "data.commands", "main", "backups"),
    "restore": ("FILE", "data.commands", "main", "restore"),
    "restore-undo": ("", "data.commands", "main", "restore-undo"),
    "restore-forget": ("", "data.commands", "main", "restore-forget"),
    "db-password": ("", "data.commands", "main", "db-password"),
    "db-owner": ("", "data.commands", "main", "db-owner"),
    "upgrade-db": ("TO", "data.commands", "main", "upgrade-db"),
    "prod-up": ("", "production.rehearsal", "up"),
    "prod-down": ("", "production.rehearsal", "pass_on", "down", "--remove-orphans"),
    "prod-compose": ("ARGUMENT...", "production.rehearsal", "pass_on"),
    "prod-exec": ("SERVICE CMD...", "production.rehearsal", "execute"),
    "deploy": ("", "production.release", "deploy"),
    "rollback": ("[VERSION]", "production.release", "rollback"),
    "releases": ("", "production.release", "show"),
    "server": ("HOST", "production.server", "main"),
    "status": ("[--json]", "production.status", "main"),
    "new": ("DIR", "scaffold.new", "main"),
    "init": ("DIR [OPTION...]", "scaffold.init", "main"),
    "update": ("FROM", "scaffold.update", "main"),
    "wheels": ("DIR", "scaffold.wheel", "build"),
    "doctor": ("[--fix] [--json]", "doctor.command", "main"),
    "native": ("[CMD...]", "native.start", "main"),
}
# What to say where the words behind a command are missing.
WITH_MAKE = {"add": "make add SERVICE=… or PACKAGE=…", "remove": "make remove SERVICE=…"}
NOT_IN_PRODUCTION = {
    "up", "down", "open", "share", "debug", "reset", "app", "add", "remove", "lock", "migrations", "test", "watch",
    "lint", "format",
}  # fmt: skip

OWN_TOOLS = "Use the project's own tools: python3 .stack run CMD..."
NOT_AFTER_INIT = {
    **dict.fromkeys(("add", "remove", "lock", "write-locks", "lint", "format", "app"), OWN_TOOLS),
    **{
        name: "It keeps its own way to production"
        for name, (_, module, *_) in COMMANDS.items()
        if module.startswith("production.")
    },
    "debug": "Add debugpy and a port to the Compose file",
}


def listing():
    """Return the list of commands, each with what the project's Makefile says of it."""
    help_of = dict(re.findall(r"^([a-z-]+):.*?## (.*)$", content(ROOT / "Makefile"), re.M))
    lines = [f"  {f'{name} {usage}':32}{help_of.get(name, '')}".rstrip() for name, (usage, *_) in COMMANDS.items()]
    return "\n".join(["python3 .stack COMMAND, one of these:", "", *lines])


def refusal(name, words):
    """Return why a command cannot run with these words here; empty where it can."""
    if name not in COMMANDS:
        return f"there is no command {name!r}. See: python3 .stack help"
    usage = COMMANDS[name][0]
    least = len(re.sub(r"\[.*?\]", "", usage).split())
    if len(words) < least or ("..." not in usage and len(words) > len(usage.split())):
        problem = f"{usage} is missing" if len(words) < least else f"{words[-1]!r} is one word too many"
        hint = WITH_MAKE.get(name, f"make {name} {usage}=…" if usage.isalpha() else "")
        return (
            f"{name}: {problem}. Expected: "
            + f"python3 .stack {name} {usage}".rstrip()
            + (f". Try: {hint}" if hint else ".")
        )
    if name in NOT_IN_PRODUCTION and os.environ.get("MODE") == "production":
        return f"'{name}' is not for production. See: make help"
    if LAYOUT and name in NOT_AFTER_INIT:
        return f"'{name}' is not for a project that `init` added the stack to. {NOT_AFTER_INIT[name]}"
    return ""


def main(words):
    """Run the command that `words` name, and return its exit status."""
    if not words or words[0] in ("help", "-h", "--help"):
        print(listing())
        return 0 if words else 2
    name, *rest = words
    if not rest and os.environ.get("ARGS") and name in COMMANDS and "..." in COMMANDS[name][0]:
        rest = shlex.split(os.environ["ARGS"])
    if problem := refusal(name, rest):
        print(f"stack: {problem}", file=sys.stderr)
        return 2
    _, module, function, *first = COMMANDS[name]
    os.environ.update(compose_variables())
    try:
        return getattr(import_module(f"django_compose_stack.{module}"), function)(*first, *rest) or 0
    except Failure as failure:
        print(f"stack: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
