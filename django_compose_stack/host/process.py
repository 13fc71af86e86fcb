"""Runs other programs from the project's folder, and ends this one where they fail."""

import shlex
import subprocess
import sys

from django_compose_stack.host.project import ROOT


class Failure(Exception):
    """Ends the program with status 1 and a message: what is wrong, then the fix."""

    def __init__(self, problem, fix):
        # A problem of several lines ends with another program's output.
        super().__init__(f"{problem}{'' if chr(10) in problem else '.'}\nFix: {fix}.")


def die(problem):
    print(f"stack: {problem}", file=sys.stderr)
    sys.exit(1)


def say(text):
    # Standard output belongs to the command, which may be writing a dump to it.
    print(f"stack: {text}", file=sys.stderr, flush=True)


def run(*command, **options):
    return subprocess.run(command, **{"cwd": ROOT, **options})


def must(*command, **options):
    """Run a command that prints its own error; exit with its status where it fails."""
    status = run(*command, **options).returncode
    if status:
        sys.exit(status)


def show(*command, **options):
    """Print a command as one would type it, then run it as `must` does."""
    print("$", shlex.join(command), file=sys.stderr, flush=True)
    must(*command, **options)


def output(*command, **options):
    """Return what a command prints, stripped; empty where it fails."""
    try:
        done = run(
            *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, **options
        )
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()
