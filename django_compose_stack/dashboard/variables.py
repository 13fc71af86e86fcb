"""The variables and settings that the project read, without secrets, and where each value came from."""

import os
import re
from pprint import pformat
from typing import Any, NamedTuple

from django.conf import settings
from django.views.debug import get_default_exception_reporter_filter

from django_compose_stack.dashboard import network, project_file
from django_compose_stack.env import Env
from django_compose_stack.host import dotenv
from django_compose_stack.host.project import COMPOSE

HIDDEN = "hidden"


class Variable(NamedTuple):
    """One variable. value: as text, HIDDEN for a secret; origin: where it was read; warning: what is wrong with it."""

    name: str
    value: str
    origin: str
    warning: str = ""


def variables() -> list[Variable]:
    """Return the variables that the settings read, in their order, then the others that .env sets."""
    compose = project_file(COMPOSE)
    lines = {reading.name: reading for reading in dotenv.read(project_file(".env"), os.environ) if reading.django}
    found = [variable(name, value, lines.get(name), compose) for name, value in Env.values_read.items()]
    for name, reading in lines.items():
        if name not in Env.values_read:
            is_used = f"${{{name}" in compose
            warning = "" if is_used else "Nothing reads it. Is the name misspelled?"
            origin = f".env, line {reading.line}" + (", for Compose" if is_used else "")
            found.append(Variable(name, shown(name, reading.django), origin, warning))
    return found


def variable(name: str, value: Any, reading: dotenv.Reading | None, compose: str) -> Variable:
    """Describe a variable from its value, its line of .env and the text of compose.yaml."""
    warning, by_compose = "", network.IN_CONTAINER and re.search(rf"^ +{name}: ", compose, re.M)
    if outer := os.environ.get(name):
        origin = "compose.yaml" if by_compose else "process environment"
        if reading and reading.django == outer:
            origin = f".env, line {reading.line}" + (", through compose.yaml" if by_compose else "")
        elif reading:
            warning = f"Line {reading.line} of .env has another value."
            warning += " To apply it: make up" if by_compose else " The process environment wins."
    elif path := os.environ.get(f"{name}_FILE"):
        origin = f"the file {path}"
    elif reading:
        origin = f".env, line {reading.line}"
    else:
        # A default is in settings.py, so it is no secret.
        return Variable(name, "" if value is None else str(value), "default")
    return Variable(name, shown(name, value), origin, warning)


def shown(name: str, value: Any) -> str:
    return HIDDEN if dotenv.is_secret(name) else str(value)


def changed_settings() -> list[tuple[str, str]]:
    """Return the settings that settings.py sets, without secrets and without the passwords in URLs."""
    safe = get_default_exception_reporter_filter().get_safe_settings()
    return [
        (name, dotenv.without_passwords(pformat(value, width=100)))
        for name, value in safe.items()
        if settings.is_overridden(name)
    ]
