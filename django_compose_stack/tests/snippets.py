"""The fenced blocks of README.md and docs/, each with what its info string says that it is."""

import re
from pathlib import Path
from typing import NamedTuple

from django_compose_stack.tests import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WILD = "…"


class Block(NamedTuple):
    """One fenced block. info: what follows the fence. line: of the fence, from 1."""

    document: str
    line: int
    info: str
    text: str


def blocks(path: Path) -> list[Block]:
    text = path.read_text()
    name = str(path.relative_to(ROOT))
    return [
        Block(name, text[: found.start()].count("\n") + 1, found[1], found[2])
        for found in re.finditer(r"^```(.*)\n((?:.*\n)*?)^```$", text, re.M)
    ]


def commands(block: Block) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with the output shown below it."""
    steps = re.split(r"^\$ ", block.text, flags=re.M)
    return [tuple(step.split("\n", 1)) for step in steps[1:]]


def line_pattern(line: str) -> str:
    return re.escape(line).replace(WILD, ".*")


def pattern(shown: str) -> re.Pattern[str]:
    """Return what an output has to match: a line of … alone is any lines, elsewhere … is anything in its line.

    Runs of spaces count as one, because tables are as wide as their widest name.
    """
    lines = [re.sub(r" +", " ", line).rstrip() for line in shown.splitlines()]
    wild = [r"(?:.*\n)*?" if line == WILD else line_pattern(line) + "\n" for line in lines]
    return re.compile("".join(wild))


def matches(shown: str, output: str) -> bool:
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output).replace("\r", "")
    lines = [re.sub(r" +", " ", line).rstrip() + "\n" for line in plain.splitlines()]
    return bool(pattern(shown).fullmatch("".join(lines)))
