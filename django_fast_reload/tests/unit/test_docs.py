"""docs/reload.md shows as a table what the tests of odd cases say that holds."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
TESTS = PACKAGE / "tests/server"
DOCS = PACKAGE.parent / "docs/reload.md"
HEAD = "| tried | what holds |\n|---|---|\n"


def rows() -> list[str]:
    """Return a row for each test: its docstring is what was tried, a colon, and what holds."""
    found = []
    for path in sorted(TESTS.glob("test_holds_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                tried, colon, holds = (ast.get_docstring(node) or "").partition(": ")
                assert colon, f"{path.name}::{node.name} needs a docstring: what was tried, a colon, what holds"
                found.append(f"| {tried} | {holds} |\n")
    return found


def test_the_table_of_what_holds_is_that_of_the_tests():
    expected = HEAD + "".join(rows())

    assert expected in DOCS.read_text(), f"docs/reload.md must have this table:\n{expected}"
