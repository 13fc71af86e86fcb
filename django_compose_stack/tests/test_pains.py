"""docs/pains.md claims what tests show."""

import re

from django_compose_stack.tests.snippets import ROOT

ROWS = re.findall(r"^\| (\d+) \| (.+?) \| ([a-z ]+) \| (.+?) \| (.+?) \|$", (ROOT / "docs/pains.md").read_text(), re.M)


def test_each_of_the_45_has_its_row():
    assert [int(number) for number, *_ in ROWS] == list(range(1, 46))


def test_what_is_fixed_or_caught_names_a_test_that_exists():
    missing = []
    for number, _, state, _, proof in ROWS:
        path, _, name = proof.strip("`").partition("::")
        if state in ("fixed", "caught"):
            file = ROOT / path
            if not (name and file.is_file() and re.search(rf"^def {name}\(", file.read_text(), re.M)):
                missing.append((number, proof))
        else:
            assert state.startswith("not here") and "::" not in proof, number

    assert missing == []


def test_at_least_38_are_fixed_or_caught():
    assert sum(state in ("fixed", "caught") for _, _, state, _, _ in ROWS) >= 38
