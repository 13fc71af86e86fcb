"""`make watch` in Docker: what is left when its terminal is closed, or when it is ended."""

import contextlib
import os
import pty
import signal
import subprocess

import pytest

from django_compose_stack.tests.stack.checkout import environment, wait_for

CONTROL_C = b"\x03"


def leftovers(checkout):
    """Return the containers of a watch, and its processes in web."""
    names = checkout.compose("ps", "--all", "--orphans", "--format={{.Name}}").stdout.split()
    names += checkout.run("docker", "ps", "--all", "--filter=name=watch-", "--format={{.Names}}").stdout.split()
    processes = checkout.compose("top", "web", check=False).stdout.split("\n")
    return {name for name in names if "watch-" in name} | {line for line in processes if "fast_reload watch" in line}


def read_until(text, descriptor):
    seen = b""

    def is_there():
        nonlocal seen
        with contextlib.suppress(BlockingIOError):
            seen += os.read(descriptor, 65536)
        return text in seen

    os.set_blocking(descriptor, False)
    wait_for(is_there, f"{text} in {seen}", 120)


def variables(checkout):
    return environment(WEB_PORT=str(checkout.port), MODE="docker")


@pytest.mark.parametrize("is_closed", [True, False])
def test_end_of_the_terminal_is_the_end(stack, is_closed):
    terminal, side = pty.openpty()
    # With the terminal as its own: closing that is a signal to it.
    with subprocess.Popen(
        ["setsid", "--ctty", "make", "watch"],
        cwd=stack.path, env=variables(stack), stdin=side, stdout=side, stderr=side,
    ):  # fmt: skip
        os.close(side)
        read_until(b"Keys:", terminal)
        found = leftovers(stack)
        if is_closed:
            os.close(terminal)
        else:
            os.write(terminal, CONTROL_C)

    assert len(found) >= 2, found
    wait_for(lambda: not leftovers(stack), "the end of all")
    if not is_closed:
        os.close(terminal)


def test_sigterm_without_a_terminal_is_the_end(checkout):
    with subprocess.Popen(
        ["python3", "-BIS", ".stack", "watch", "apps"],
        cwd=checkout.path, env=variables(checkout), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        read_until(b"Watching", process.stdout.fileno())
        found = leftovers(checkout)
        process.send_signal(signal.SIGTERM)

    assert len(found) >= 2, found
    wait_for(lambda: not leftovers(checkout), "the end of all")
