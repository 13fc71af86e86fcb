"""What README.md and docs/ show is what the files say. stack/test_docs.py runs their commands."""

import os
import re
import shlex
import subprocess

import pytest

from django_compose_stack.cli import COMMANDS
from django_compose_stack.tests import STACK
from django_compose_stack.tests.snippets import DOCUMENTS, ROOT, blocks, commands, matches

BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
SHOWN = re.compile(r"[a-z]+ shown: .{10,}")
COPIED = re.compile(r"[a-z]+ (\S+)")


def text(file):
    return (ROOT / file).read_text()


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


# The commands page: what to type, and what that is with Docker.
ROWS = re.findall(
    r"^\| `(?:make|python3 \.stack) ([^`]+)` \| .* \| (.*) \|$", (ROOT / "docs/commands.md").read_text(), re.M
)
# dbshell asks the container for both names; tests/stack/test_docs.py runs the row's command. reset needs a database to
# back up: tests/stack/test_make.py.
OF_DOCKER = [
    (typed, effect) for typed, effect in ROWS if "`docker compose" in effect and typed not in ("dbshell", "reset")
]
# Stands in for docker: writes down what it was asked, and answers that web runs where it is to run.
STANDIN = """#!/bin/sh
{ for word; do printf '%s\\t' "$word"; done; echo; } >>"$ASKED"
case "$*" in
    "ps --format"*) echo "$RUNNING" ;;
    "compose port"*) echo 127.0.0.1:8000 ;;
    *Health.Status*) echo healthy ;;
esac
"""


def test_commands_page_has_every_command_once():
    targets = re.findall(r"^([a-z.][a-z.-]*):.*?# ", text("Makefile") + text(".ci/repository.mk"), re.M)

    assert sorted(typed.split()[0] for typed, _ in ROWS) == sorted({*targets, *COMMANDS} - {"help"})


@pytest.mark.parametrize("running", ["", "app-web-1"], ids=["stopped", "running"])
@pytest.mark.parametrize(("typed", "effect"), OF_DOCKER, ids=[typed for typed, _ in OF_DOCKER])
def test_documented_commands_are_those_that_run(typed, effect, running, tmp_path):
    """With web stopped and with web running, whose container then takes the place of a new one."""
    docker, asked = tmp_path / "docker", tmp_path / "asked"
    docker.write_text(STANDIN)
    docker.chmod(0o755)
    name, *words = [word.rpartition("=")[2] for word in typed.split()]
    variables = {"MODE": "docker", "RUNNING": running, "ASKED": str(asked), "BROWSER": "true", "ARGS": ""}
    # With a port that is set, `up` looks for none and writes none to .env.
    variables["WEB_PORT"] = "8000"
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    environment = {**os.environ, **variables, "PATH": path}
    subprocess.run([*STACK, name, *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=True)

    commands = [shlex.join(["docker", *line.split("\t")[:-1]]) for line in asked.read_text().splitlines()]
    commands = [re.sub(r"\bdb-watch-\w+", "NAME", command) for command in commands]
    commands = [re.sub(r"\bwatch-\w+", "TESTS", command) for command in commands]
    documented = re.findall(r"`(docker compose [^`]+)`", effect)
    if running:
        inside = f"docker exec --interactive {running} as-owner "
        documented = [command.replace("docker compose run --rm web ", inside) for command in documented]
    assert [command for command in documented if command not in commands] == []
