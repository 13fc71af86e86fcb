"""What Nginx' log says about the requests of the last hour."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from django_compose_stack.production import engine, swarm

HOUR = 3600  # seconds


class Requests(NamedTuple):
    """count: requests. failed: those answered with 500 or more. p95: seconds, which 95 of 100 took at most."""

    count: int
    failed: int
    p95: float

    @property
    def rate(self) -> float:
        """The share of failed requests, in percent."""
        return 100 * self.failed / self.count if self.count else 0.0


def read(lines: Iterable[str]) -> Requests:
    """Return what the lines of the log come to. Lines of another form, such as errors, are passed over."""
    times, failed = [], 0
    for line in lines:
        try:
            entry = json.loads(line)
            times.append(float(entry["seconds"]))
            failed += int(entry["status"]) >= 500
        except (KeyError, TypeError, ValueError):
            continue
    times.sort()
    return Requests(len(times), failed, times[(len(times) * 95 - 1) // 100] if times else 0.0)


def of_last_hour() -> Requests:
    """Return those of all nodes of a stack, or of the rehearsal's one Nginx."""
    words = ["docker", "logs", f"--since={HOUR}s", engine.container("nginx")]
    if swarm.serving():
        words = ["docker", "service", "logs", "--raw", f"--since={HOUR}s", f"{engine.stack()}_nginx"]
    return read(engine.output(*words).splitlines())
