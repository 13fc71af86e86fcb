from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that is wrong.

    check: a stable word for machines. problem and reason: sentences. cure: what to do, with its command.
    mend: does the cure and returns what it did, in the past tense; only where nothing can be lost by it. It raises
    Unmended where it could not.
    """

    check: str
    problem: str
    reason: str
    cure: str
    mend: Callable[[], str] | None = None


class Unmended(Exception):
    """A mend that did not work; the text says why."""
