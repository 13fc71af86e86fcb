"""Edits .env line by line, and keeps all its other lines."""

from __future__ import annotations

import re
from pathlib import Path

from django_compose_stack.host import dotenv

PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]*")


def assignment(name: str, value: str) -> str:
    """Return NAME=value in the form that Compose and django-environ read alike."""
    return f"{name}={value}" if PLAIN.fullmatch(value) else f"{name}='{value}'"


def set_variable(path: Path, name: str, value: str) -> None:
    """Set a variable in .env. A new file has only this variable, not all of .env.example."""
    path.touch()
    line = assignment(name, value)
    text, found = re.subn(
        rf"^(export\s+)?{name}\s*[=:].*$", lambda _: line, path.read_text(encoding="utf-8"), flags=re.M
    )
    if not found:
        text = f"{text.rstrip()}\n\n{line}\n".lstrip()
    path.write_text(text, encoding="utf-8")


def replace_lines(path: Path, lines: dict[int, str]) -> None:
    """Replace lines of a file, by their number from 1."""
    old = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines.get(number, line) for number, line in enumerate(old, 1)) + "\n", encoding="utf-8")


def without_stray_space(reading: dotenv.Reading) -> str | None:
    """Return the line as Compose reads it; None unless the two readings differ in white space only."""
    if reading.compose is None or reading.compose.startswith("nothing: ") or "\n" in reading.compose:
        return None
    if reading.django is not None and reading.django.strip() != reading.compose:
        return None
    line = assignment(reading.name, reading.compose)
    (again,) = dotenv.read(line, {})
    return line if again.compose == again.django == reading.compose else None


def append_blocks(path: Path, names: list[str]) -> None:
    """Append variables to .env, each with the comment above it in .env.example."""
    example = path.with_name(".env.example").read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    added = "\n\n".join(re.search(rf"^(#.*\n)*{name}=.*$", example, re.M)[0] for name in names)
    path.write_text(f"{text.rstrip()}\n\n{added}\n".lstrip(), encoding="utf-8")
