"""Compares how Docker Compose and django-environ read one .env file, and shows values without their secrets.

Compose puts the file's values into containers, Django reads the file itself, and the two disagree about quotes,
comments and `$`. A line that they read differently works in one place and fails in another, so it is refused.
Compose's rules are those of its parser (https://github.com/compose-spec/compose-go/tree/main/dotenv), Django's those of
django-environ's read_env; tests compare both readings with the real ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "\0"}
NAME = "[A-Za-z_][A-Za-z0-9_]*"
VARIABLE = re.compile(
    rf"\$(?:(?P<literal>\$)|(?P<name>{NAME})|{{(?P<braced>{NAME})(?:(?P<operator>:?[-?+])(?P<word>[^{{}}]*))?}}|(?P<open>{{))"
)
FORM = (
    "Write NAME=value: no space around =, no comment after it, each name once, and single quotes around a value that "
    'contains a space or any of $ # " \\'
)
SECRET = re.compile(r"KEY|PASSWORD|SECRET|TOKEN|URL")
# Up to the last @ before another URL, because a password that was not escaped may contain any of : / @.
PASSWORD = re.compile(r"(?<=:)[^:/]((?!://).)*(?=@)")


class Refused(ValueError):
    """Compose refuses to read the line; the text says why."""


class Reading(NamedTuple):
    """One line of a .env file: its number from 1, its name, and both values; None where a reader finds none."""

    line: int
    name: str
    compose: str | None
    django: str | None


def substitute(value: str, known: Mapping[str, str]) -> str:
    """Replace $NAME, ${NAME}, ${NAME-default}, ${NAME+other} and $$ as Compose does.

    Raises Refused for any other ${. Compose also allows a ${ inside another one, which Django never reads the same way.
    """

    def replacement(match: re.Match[str]) -> str:
        if match["literal"]:
            return "$"
        if match["open"]:
            raise Refused("its ${ is not of the form ${NAME}")
        name, operator = match["name"] or match["braced"], match["operator"] or ""
        # With a colon, an empty value counts as unset.
        is_set = bool(known.get(name)) if operator.startswith(":") else name in known
        if operator.endswith("?") and not is_set:
            raise Refused(f"it requires {name}, which is not set")
        if operator.endswith("+" if is_set else "-"):
            return substitute(match["word"], known)
        return "" if operator.endswith("+") else known.get(name, "")

    return VARIABLE.sub(replacement, value)


def compose_value(text: str, known: Mapping[str, str]) -> str:
    """Return the value that Compose reads from the text after NAME=. Raises Refused where Compose stops."""
    text = text.lstrip()
    if text[:1] not in ("'", '"') or not text:
        return substitute(text.partition(" #")[0].rstrip(), known)
    quoted = re.match(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"", text)
    if not quoted:
        raise Refused("the closing quote is missing")
    if re.match(r"\s*[^\s#]", text[quoted.end() :]):
        raise Refused("it takes the text after the closing quote for another line")
    single, double = quoted.groups()
    if single is not None:
        return single.replace("\\'", "'")
    unescaped = re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[0]), double)
    return substitute(unescaped, known).replace("\0", "$")


def django_values(line: str) -> dict[str, str]:
    """Return what django-environ reads from one line; empty where it reads nothing."""
    match = re.fullmatch(r"(?:export )?([A-Za-z_0-9]+)=(.*)", line)
    if not match:
        return {}
    name, value = match.groups()
    if re.fullmatch(r"'.*'", value):
        value = value[1:-1]
    # Not "elif": double quotes inside single ones are removed as well.
    if re.fullmatch(r'".*"', value):
        value = re.sub(r"\\(.)", lambda escape: escape[0] if escape[1] in "rnt" else escape[1], value[1:-1])
    return {name: value}


def read(text: str, environment: Mapping[str, str]) -> list[Reading]:
    """Read each line that is not blank or a comment in both ways.

    text: the file's content. environment: what `$NAME` may refer to, besides the lines above.
    """
    readings = []
    known = dict(environment)
    for number, line in enumerate(text.splitlines(), start=1):
        # Some editors start a file with a byte order mark.
        stripped = line[line.startswith("\ufeff") :].strip()
        if not stripped or stripped.startswith("#"):
            continue
        django = django_values(line)
        match = re.match(r"(?:export\s+)?([^=:\s]+)\s*[=:](.*)", stripped + line[len(line.rstrip()) :])
        name = match[1] if match else next(iter(django), stripped)
        try:
            compose = compose_value(match[2], known) if match else None
        except Refused as error:
            compose = f"nothing: {error}"
        else:
            if name not in environment:
                known[name] = compose or ""
        readings.append(Reading(number, name, compose, django.get(name)))
    return readings


def compose_values(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a .env file as Compose reads them."""
    return {reading.name: reading.compose or "" for reading in read(text, environment)}


def differences(text: str, environment: Mapping[str, str]) -> dict[int, str]:
    """Return a sentence for each line that the two read differently, or that sets a name again, by line number."""
    found = {}
    seen: dict[str, int] = {}
    for reading in read(text, environment):
        first = seen.setdefault(reading.name, reading.line)
        if first != reading.line:
            problem = f"already set on line {first}; delete one of the two"
        elif reading.compose is None and reading.django is None:
            problem = "not of the form NAME=value"
        elif reading.compose != reading.django:
            compose, django = (shown(reading.name, value) for value in (reading.compose, reading.django))
            problem = f"Compose reads {compose}, Django reads {django}"
        else:
            continue
        found[reading.line] = f"line {reading.line}, {reading.name}: {problem}"
    return found


def is_secret(name: str) -> bool:
    """Return whether the variable of this name holds a secret."""
    return bool(SECRET.search(name))


def without_passwords(text: str) -> str:
    """Replace the password in each URL of the text by ***."""
    return PASSWORD.sub("***", text)


def shown(name: str, value: str | None) -> str:
    if value is None:
        return "nothing"
    return f"a secret of {len(value)} characters" if is_secret(name) else repr(value)
