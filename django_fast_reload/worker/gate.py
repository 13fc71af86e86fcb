"""What comes over a connection that is open already waits here, as a new request waits at the supervisor's barrier."""

import asyncio
from collections.abc import Callable


class Gate:
    """Asks the supervisor whether this process is still made of the files as they are.

    One question at a time: what comes while it is under way shares the next one.

    ask: sends the question; `on_answer` is to be called with its answer.
    """

    def __init__(self, ask: Callable[[], None]):
        self.ask = ask
        self.is_retired = False  # other code answers from here on
        self.asked: asyncio.Future[bool] | None = None
        self.next: asyncio.Future[bool] | None = None

    async def is_open(self) -> bool:
        """Wait until it is known; return False where the code has been replaced."""
        if self.is_retired:
            return False
        if self.next is None:
            self.next = asyncio.get_running_loop().create_future()
            if self.asked is None:
                self.put()
        # Shielded, because others wait for the same answer when this one is cancelled.
        return await asyncio.shield(self.asked if self.next is None else self.next)

    def put(self) -> None:
        self.asked, self.next = self.next, None
        self.ask()

    def on_answer(self) -> None:
        if self.asked is not None:
            self.asked.set_result(True)
            self.asked = None
            if self.next is not None:
                self.put()

    def retire(self) -> None:
        self.is_retired = True
        for future in (self.asked, self.next):
            if future is not None:
                future.set_result(False)
        self.asked = self.next = None
