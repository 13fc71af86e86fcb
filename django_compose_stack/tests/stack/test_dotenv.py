"""Compose itself, against what django_compose_stack/host/dotenv.py says of it."""

import os
import random
import re

import pytest

from django_compose_stack.host import dotenv
from django_compose_stack.tests.stack.checkout import run
from django_compose_stack.tests.test_environment import LINES

SEED = 20
FUZZ_LINES = 300
REFUSED_LINES = 20  # of those; each needs a call of its own
PIECES = [*"abAB1 $${}##''\"\"\\\\ ==:\t-?+,@/%!né;&|~`()[]<>*^."]
PIECES += ["${", "${A", "${HOME", "$HOME", "$$", ":-", ":?", ":+", " #", "x}"]
# What Compose makes of the rest of such a line depends on the rest, and Django never reads the line alike.
UNDECIDED = "for another line"


@pytest.fixture
def compose(tmp_path):
    """A function from a .env file's text to what Compose reads from it, as a dict; None where it refuses the file."""
    (tmp_path / "compose.yaml").write_text("services: {}\n")

    def read(text):
        (tmp_path / ".env").write_text(text)
        done = run("docker", "compose", "config", "--environment", cwd=tmp_path, check=False)
        if done.returncode:
            assert "failed to read" in done.stderr
            return None
        return dict(re.findall(r"^(S\d*)=(.*?)\n(?=\w+=|\Z)", done.stdout, re.M | re.S))

    return read


def compare(compose, lines, environment):
    """Assert that Compose reads or refuses each line, of different names, as host/dotenv.py says."""
    readings = {line: dotenv.read(line, environment)[0] for line in lines}
    refused = [line for line, reading in readings.items() if reading.compose.startswith("nothing: ")]
    readable = [line for line in readings if line not in refused]

    values = compose("".join(f"{line}\n" for line in readable))
    decided = [line for line in refused if not readings[line].compose.endswith(UNDECIDED)][:REFUSED_LINES]

    assert {line: values.get(readings[line].name) for line in readable} == {
        line: readings[line].compose for line in readable
    }
    assert {line: compose(f"{line}\n") for line in decided} == dict.fromkeys(decided)


def test_compose_reads_the_lines_of_the_table_as_it_says(compose):
    lines = [line.replace("S", f"S{number}", 1) for number, (line, _, _) in enumerate(LINES)]

    compare(compose, lines, {})


def test_compose_reads_random_lines_as_predicted(compose):
    chance = random.Random(SEED)
    separators = ["="] * 12 + [" = ", ": ", ":", "= ", " ="]
    lines = [
        chance.choice(["", "", "", "export ", " "])
        + f"S{number}"
        + chance.choice(separators)
        + "".join(chance.choices(PIECES, k=chance.randint(0, 10)))
        for number in range(FUZZ_LINES)
    ]

    compare(compose, lines, {"HOME": os.environ["HOME"]})
