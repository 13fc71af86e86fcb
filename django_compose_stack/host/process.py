"""Runs other programs in the project's folder."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from django_compose_stack.host.project import ROOT, compose_variables

TIMED_OUT = 124  # the exit status that timeout(1) uses


class Failure(Exception):
    """Ends the program with status 1 and a message: what is wrong, then how to fix it."""

    def __init__(self, problem: str, fix: str):
        self.problem, self.fix = problem, fix
        # A problem of several lines ends with another program's output.
        super().__init__(f"{problem}{'' if chr(10) in problem else '.'}\nFix: {fix}.")


def die(problem: str) -> None:
    print(f"stack: {problem}", file=sys.stderr)
    sys.exit(1)


def exit_at_signals() -> None:
    """Let a closed terminal, and SIGTERM, run the finally blocks too."""
    for name in ("SIGHUP", "SIGTERM"):  # Windows has no SIGHUP.
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: sys.exit(1))


def say(text: str) -> None:
    # Standard output belongs to the command, which may be writing a dump to it.
    print(f"stack: {text}", file=sys.stderr, flush=True)


def run(*command: str, **options: Any) -> subprocess.CompletedProcess:
    """Run a command on this program's own terminal, and return the finished process."""
    return subprocess.run(command, **{"cwd": ROOT, **options})


def must(*command: str, **options: Any) -> None:
    """Run a command that prints its own error. Exits with its status if it fails."""
    status = run(*command, **options).returncode
    if status:
        sys.exit(status)


def show(*command: str, **options: Any) -> None:
    """Print a command in the form to type it, then run it like `must`."""
    variables = compose_variables() if command[0] == "docker" else {}
    words = [*(f"{name}={value}" for name, value in variables.items()), *command]
    print("$", shlex.join(words), file=sys.stderr, flush=True)
    must(*command, **options)


def ask(*command: str, **options: Any) -> subprocess.CompletedProcess:
    """Return the finished process, its output as text. One that cannot start or takes too long has failed."""
    if "input" not in options:
        options["stdin"] = options.get("stdin", subprocess.DEVNULL)
    try:
        return run(*command, **{"capture_output": True, "text": True, "errors": "replace", **options})
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(command, TIMED_OUT, "", str(error))
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def output(*command: str, **options: Any) -> str:
    """Return what a command prints, stripped; empty if it fails."""
    done = ask(*command, **options)
    return "" if done.returncode else done.stdout.strip()


def must_output(problem: str, fix: str, *command: str, **options: Any) -> str:
    """Return what a command prints, stripped. Raises Failure with its error if it fails."""
    done = ask(*command, **options)
    if done.returncode:
        raise Failure(f"{problem}:\n{done.stderr.strip() or done.stdout.strip()}", fix)
    return done.stdout.strip()


def wait_until(done: Callable[[], Any], timeout: float, pause: float) -> Any:
    """Call done() until it returns something true or `timeout` seconds have passed; return its last result."""
    deadline = time.monotonic() + timeout
    while not (result := done()) and time.monotonic() < deadline:
        time.sleep(pause)
    return result


def parse_config(text: str) -> dict[str, Any]:
    """Return what `docker compose config --format=json` printed as Compose understands it.

    Its output is meant to be read by Compose again, so it doubles each dollar sign.
    """
    return json.loads(text.replace("$$", "$"))


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]
