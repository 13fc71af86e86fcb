"""One load of the project, from the change that asked for it to the answer or the error it ended with."""

import time
from dataclasses import dataclass, field

from ..ipc import Failure

DOUBT = 0.04  # seconds before an error is believed: a writer may have been stopped between truncating and writing
MIN_LIFE = 1.0  # seconds; a server that ends by itself sooner is not started again


@dataclass
class Load:
    """changed: the files it is for; before: the file from which on the project was executed anew, "" for all of it."""

    number: int
    changed: list[str]
    before: str = ""
    started: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    failure: Failure | None = None
    is_reported: bool = True
    notice: dict | None = None  # what pages show beside an error: {"title": str, "text": str}
    unanswered: set[str] = field(default_factory=set)  # files that the worker was told of and has not confirmed

    def succeed(self) -> None:
        self.ended = time.monotonic()

    def fail(self, failure: Failure) -> None:
        self.failure, self.is_reported = failure, False
        self.ended = time.monotonic()

    def is_known_broken(self) -> bool:
        return self.failure is not None and self.is_reported

    def report_in(self) -> float | None:
        """Return the seconds until the error, if there is one, is to be reported; None where nothing is."""
        return None if self.is_reported else self.ended + DOUBT - time.monotonic()

    def is_short(self) -> bool:
        return time.monotonic() - self.started <= MIN_LIFE

    @property
    def milliseconds(self) -> float:
        return (self.ended - self.started) * 1000
