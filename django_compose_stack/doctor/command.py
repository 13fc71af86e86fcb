"""The command: runs the checks, applies fixes if asked to, and prints the findings that remain."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from types import ModuleType

from django_compose_stack import doctor
from django_compose_stack.doctor import (
    certificate,
    containers,
    database,
    engine,
    env,
    files,
    mounts,
    mysql,
    network,
    versions,
)
from django_compose_stack.doctor.stack import Finding, Findings, NotFixed, Stack
from django_compose_stack.host.project import LAYOUT, ROOT


def checks(*modules: ModuleType) -> list[Callable[[Stack], Findings]]:
    """Return the functions of the modules that are called check_…, in their order."""
    return [value for module in modules for name, value in vars(module).items() if name.startswith("check_")]


# The engine comes first, because the other checks of Docker find nothing where none answers.
DOCKER = checks(engine, containers, mounts, database, mysql, certificate)
# A project that `init` added the stack to reads its .env in its own way.
ENV = [env.check_readable, env.check_overridden] if LAYOUT else checks(env)
CHECKOUT = [*checks(network, files), *ENV, *checks(versions)]


def examine(stack: Stack) -> list[Finding]:
    chosen = [*DOCKER, *CHECKOUT] if stack.uses_docker else CHECKOUT
    return [finding for check in chosen for finding in guarded(check, stack)]


def guarded(check: Callable[[Stack], Findings], stack: Stack) -> Findings:
    """Run one check; turn an unexpected error into a finding, so that the other checks still run."""
    try:
        yield from check(stack)
    except Exception as error:
        yield Finding(
            "unexpected-error",
            f"{check.__module__}.{check.__name__} failed: {type(error).__name__}: {error}",
            "The result of this check is unknown.",
            "Report it, with this text",
        )


def fix(found: list[Finding]) -> list[str]:
    """Apply the fixes that lose nothing, each once. Returns what was done."""
    done, fixes = [], {}
    for finding in found:
        if finding.apply:
            # The first fix of a check is for all of its findings.
            fixes.setdefault(finding.check, finding.apply)
    for check, apply in fixes.items():
        try:
            done.append(apply())
        except (NotFixed, OSError) as error:
            print(f"Could not fix {check}: {error}", file=sys.stderr)
    return done


def main(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="python3 .stack doctor", description=doctor.__doc__)
    parser.add_argument("--fix", action="store_true", help="apply the fixes that cannot lose anything")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(words)
    found = examine(Stack(ROOT))
    fixed = fix(found) if options.fix or os.environ.get("FIX") else []
    if fixed:
        found = examine(Stack(ROOT))
    if options.json:
        rows = [{**finding._asdict(), "apply": finding.apply is not None} for finding in found]
        print(json.dumps({"fixed": fixed, "findings": rows}, indent=2))
        return 1 if found else 0
    for text in fixed:
        print(f"Fixed: {text}.")
    for finding in found:
        print(f"\nProblem: {finding.problem}\nWhy:     {finding.reason}\nFix:     {finding.fix}")
    if any(finding.apply for finding in found) and not options.fix:
        print("\nmake doctor FIX=1 applies the fixes that cannot lose anything.")
    if not found:
        print("No problem found.")
    return 1 if found else 0
