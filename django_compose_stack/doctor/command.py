"""The command: runs the checks, mends what it is asked to, and says what is left."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator

from django_compose_stack import doctor
from django_compose_stack.doctor import containers, database, engine, env, files, lifetime, mounts, native, network
from django_compose_stack.doctor.finding import Finding, Unmended
from django_compose_stack.doctor.stack import Stack
from django_compose_stack.host.project import ROOT

HERE = (*files.CHECKS, *env.CHECKS, *native.CHECKS, *lifetime.CHECKS)
# Those of the engine come first, because most others are silent where none answers.
DOCKER = (*engine.CHECKS, *containers.CHECKS, *mounts.CHECKS, *database.CHECKS)


def examine(stack: Stack) -> list[Finding]:
    checks = (*(DOCKER if stack.mode == "docker" else ()), *network.CHECKS, *HERE)
    return [finding for check in checks for finding in guarded(check, stack)]


def guarded(check: Callable[[Stack], Iterator[Finding]], stack: Stack) -> Iterator[Finding]:
    """Run one check; what it did not foresee becomes a finding, so that the others still run."""
    try:
        yield from check(stack)
    except Exception as error:
        yield Finding(
            "unforeseen",
            f"{check.__module__}.{check.__name__} failed: {type(error).__name__}: {error}",
            "What it looks for is unknown.",
            "Report it, with this text",
        )


def mend(found: list[Finding]) -> list[str]:
    """Mend what can be mended, each once. Returns what was done."""
    done = []
    seen = set()
    for finding in found:
        if finding.mend is None or finding.check in seen:
            continue
        seen.add(finding.check)
        try:
            done.append(finding.mend())
        except (Unmended, OSError) as error:
            print(f"Could not mend {finding.check}: {error}", file=sys.stderr)
    return done


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 .stack doctor", description=doctor.__doc__)
    parser.add_argument("--fix", action="store_true", help="mend what can be mended with nothing lost")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(words)
    found = examine(Stack(ROOT))
    mended = mend(found) if options.fix or os.environ.get("FIX") else []
    if mended:
        found = examine(Stack(ROOT))
    if options.json:
        rows = [{**finding._asdict(), "mend": finding.mend is not None} for finding in found]
        print(json.dumps({"mended": mended, "findings": rows}, indent=2))
        return 1 if found else 0
    for text in mended:
        print(f"Mended: {text}.")
    for finding in found:
        print(f"\nProblem: {finding.problem}\nWhy:     {finding.reason}\nCure:    {finding.cure}")
    if any(finding.mend for finding in found) and not options.fix:
        print("\nmake doctor FIX=1 mends what can be mended with nothing lost.")
    if not found:
        print("No problem found.")
    return 1 if found else 0

