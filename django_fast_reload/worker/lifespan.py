"""The lifespan of the project's application: it is told of the start and the end of this process."""

import asyncio
import logging

SHUTDOWN_TIMEOUT = 5.0  # seconds
FAILURE_TIMEOUT = 1.0  # seconds for the error behind a failure that was reported
UNEXPLAINED = "The application's lifespan did not start, and does not say why."
log = logging.getLogger("django.server")


class Lifespan:
    """Not uvicorn's, because an error at the start is an error of the load here, and has its own traceback."""

    def __init__(self, application):
        self.application = application
        self.state: dict = {}  # requests get a copy
        self.events: asyncio.Queue = asyncio.Queue()
        self.started, self.stopped = asyncio.Event(), asyncio.Event()
        self.is_known = False  # the application has asked for an event
        self.error: BaseException | None = None
        self.failure: str | None = None  # what the application says why it did not start

    async def start(self) -> None:
        """Raises the error of an application that does not start.

        An error before it has asked for an event means that it does not know the protocol, which is allowed.
        """
        self.events.put_nowait({"type": "lifespan.startup"})
        self.task = asyncio.create_task(self.run())
        await self.started.wait()
        if self.failure is not None:
            await asyncio.wait([self.task], timeout=FAILURE_TIMEOUT)
        if self.error is not None and self.is_known:
            raise self.error
        if self.failure is not None:
            raise RuntimeError(self.failure or UNEXPLAINED)

    async def stop(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        self.events.put_nowait({"type": "lifespan.shutdown"})
        try:
            await asyncio.wait_for(self.stopped.wait(), timeout)
        except TimeoutError:
            log.error("The application's lifespan did not end within %g s.", timeout)

    async def run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.application(scope, self.receive, self.send)
        except BaseException as error:
            self.error = error
            if self.started.is_set() and self.is_known and self.failure is None:
                log.error("The application's lifespan ended with an error.", exc_info=error)
        finally:
            self.started.set()
            self.stopped.set()

    async def receive(self) -> dict:
        self.is_known = True
        return await self.events.get()

    async def send(self, message: dict) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.failed":
            self.failure = message.get("message", "")
        if kind in ("lifespan.startup.complete", "lifespan.startup.failed"):
            self.started.set()
        elif kind == "lifespan.shutdown.failed":
            log.error("The application's lifespan did not end: %s", message.get("message", ""))
        if kind.startswith("lifespan.shutdown"):
            self.stopped.set()
