"""Every command in README.md and docs/ that is not marked as shown elsewhere, run as a reader would run it.

Each document has a fresh copy of the project and one bash. What it prints has to match what is shown below the
command. The documents call the folder `app` and use port 8000; here both are free ones.
"""

import os
import re
import selectors
import subprocess
import sys
import time
from pathlib import Path

import pytest

from django_compose_stack.tests.snippets import DOCUMENTS, blocks, commands, matches
from django_compose_stack.tests.stack.checkout import FOREIGN, TIMEOUT, run

# Where 8000 is a port of this machine. Elsewhere it is one of a container.
BEFORE = ("127.0.0.1:", "-p ", "$lan:", "port ", " -> 0.0.0.0:", " -> [::]:")
PORT = re.compile(
    r"(?<!runserver 127\.0\.0\.1:)(?:" + "|".join(f"(?<={re.escape(text)})" for text in BEFORE) + r")8000\b"
)
PORT_WITHOUT_CONTAINER = re.compile(r"\b8000\b")
END = "end-of-a-command"


class Shell:
    """A bash that keeps its variables and jobs from one command to the next."""

    def __init__(self, folder, **variables):
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        os.set_blocking(self.process.stdout.fileno(), False)

    def run(self, command, timeout=TIMEOUT):
        """Return what a command prints, on both streams."""
        # Its input is not the script's: a command that reads would swallow the next one.
        self.process.stdin.write(f"{{ {command}\n}} </dev/null; printf '\\n%s\\n' {END}\n")
        self.process.stdin.flush()
        output, deadline = "", time.monotonic() + timeout
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            while not output.endswith(f"\n{END}\n"):
                assert ready.select(deadline - time.monotonic()), f"{command} took over {timeout} s:\n{output}"
                output += self.process.stdout.read() or ""
        return output.removesuffix(f"\n{END}\n")

    def close(self):
        # Its jobs are in its session.
        os.killpg(self.process.pid, 9)
        self.process.communicate()


def here(text, checkout, port):
    """Put this run's port and names in the place of those that the documents show."""
    text = re.sub(r"\bapp(?=[-_](web|db|default)\b)", checkout.name, text)
    text = text.replace("my-django-app", f"{checkout.name}-seed").replace("shop", f"{checkout.name}-shop")
    return port.sub(str(checkout.port), text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_print_what_is_shown(document, checkout):
    steps = [step for block in blocks(document) if block.info == "console" for step in commands(block)]
    if not steps:
        pytest.skip("it shows no command, or shows them elsewhere")
    port = PORT_WITHOUT_CONTAINER if document.stem == "virtualenv" else PORT
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # `make test` in a document is tried with a project's own tests: those of the packages have a run of their own.
    shell = Shell(checkout.path, PATH=path, MODE="docker", WEB_PORT=str(checkout.port), ARGS="apps")
    try:
        for command, shown in steps:
            output = shell.run(here(command, checkout, port))

            expected = here(shown, checkout, port)
            assert matches(expected, output), f"$ {command}\nshown:\n{expected}\nprinted:\n{output}"
    finally:
        shell.close()
        run("docker", "rm", "--force", f"{checkout.name}-shop")
        run("docker", "image", "rm", "--force", f"{checkout.name}-seed", check=False)
