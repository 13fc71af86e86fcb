"""What README.md and docs/ show is what the files say. django_compose_stack/tests/stack/test_docs.py runs their commands."""

import re
import shutil
import subprocess

import pytest

from django_compose_stack.tests.snippets import DOCUMENTS, ROOT, blocks, commands, matches

BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
SHOWN = re.compile(r"[a-z]+ shown: .{10,}")
COPIED = re.compile(r"[a-z]+ (\S+)")


def name(block):
    return f"{block.document}:{block.line}"


@pytest.mark.parametrize("block", BLOCKS, ids=name)
def test_block_is_run_or_compared_or_says_why_not(block):
    kinds = [
        block.info == "console" and commands(block),
        SHOWN.fullmatch(block.info),
        block.info == "text" and "$ " not in block.text,
        COPIED.fullmatch(block.info),
    ]

    assert any(kinds), f"{name(block)} is ```{block.info}: neither run, nor compared, nor explained"


@pytest.mark.parametrize("block", [block for block in BLOCKS if COPIED.fullmatch(block.info)], ids=name)
def test_block_is_the_files_own_text(block):
    file = COPIED.fullmatch(block.info)[1]

    assert block.text in (ROOT / file).read_text(), f"{name(block)} is not in {file}"


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml"])
def test_how_it_works_shows_every_line_in_order(file):
    shown = "".join(block.text for block in BLOCKS if block.info.endswith(f" {file}"))

    def lines(text):
        return [line for line in text.splitlines() if line]

    assert lines(shown) == lines((ROOT / file).read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a b d\n", False),
        ("first\n…\nlast\n", "first\nlast\n", True),
        ("first\n…\nlast\n", "first\nx\ny\nlast\n", True),
        ("first\n…\nlast\n", "first\nx\n", False),
        ("", "", True),
        ("", "something\n", False),
        ("NAME  PORTS\n", "NAME        PORTS\n", True),
        ("{a: 1} (b)*\n", "{a: 1} (b)*", True),
        ("green\n", "\x1b[32mgreen\x1b[0m\n", True),
    ],
)
def test_shown_output_matches(shown, output, same):
    assert matches(shown, output) is same


ROWS = re.findall(r"^\| `make ([^`]+)` \| (.*) \|$", (ROOT / "docs/commands.md").read_text(), re.M)
# The second table is prose.
PLAIN = [row for row in ROWS if re.match("`(docker|cp|bin)", row[1]) and row[0] not in ("dbshell", "reset")]


def test_commands_page_has_every_target():
    targets = set(re.findall(r"^([a-z.][a-z.-]*):.*?## ", (ROOT / "Makefile").read_text(), re.M))

    assert {target.split()[0] for target, _ in ROWS} == targets


@pytest.mark.parametrize(("target", "row"), PLAIN, ids=[target for target, _ in PLAIN])
def test_plain_commands_are_those_of_the_makefile(target, row):
    """Each plain command of the row is a line of what make would run, or the beginning of one."""
    if not shutil.which("make"):
        pytest.skip("there is no make here")
    printed = subprocess.run(
        ["make", "-n", "MODE=docker", *target.split()], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    plain = re.findall(r"`((?:docker|cp|bin)[^`]+)`", row)

    lines = [line.strip() for line in printed.splitlines()]
    assert plain
    assert [command for command in plain if not any(line.startswith(command) for line in lines)] == []
