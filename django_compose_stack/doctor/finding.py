from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """One problem.

    check: a stable identifier for machines. problem and reason: sentences. fix: what to do, with the command.
    apply: applies the fix and returns what it did, in the past tense; only where that cannot lose anything. It raises
    NotFixed if it fails.
    """

    check: str
    problem: str
    reason: str
    fix: str
    apply: Callable[[], str] | None = None


class NotFixed(Exception):
    """A fix that failed; the text says why."""
