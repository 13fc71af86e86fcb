"""Gunicorn's worker for ASGI, which ends websockets and streams of events in order when it is to end itself."""

import asyncio
from contextlib import suppress

from gunicorn.workers.gasgi import ASGIWorker

RESTART = {"type": "websocket.close", "code": 1012, "reason": "The server restarts"}  # 1012: service restart


class Worker(ASGIWorker):
    """Gunicorn's own would wait for them until graceful_timeout, and then cut the connections."""

    streams = None

    def load_wsgi(self):
        super().load_wsgi()
        self.asgi = self.streams = Streams(self.asgi)

    @property
    def alive(self):
        return self._alive

    @alive.setter
    def alive(self, value):
        """Gunicorn sets it to False at a signal and after max_requests."""
        self._alive = value
        if not value and self.streams is not None:
            with suppress(RuntimeError):  # No event loop runs so far.
                asyncio.get_running_loop().call_soon(self.streams.close)


class Gone(OSError):
    """What an application gets that sends behind the end."""


class Streams:
    """An ASGI application around the project's own."""

    def __init__(self, application):
        self.application, self.is_closing = application, False
        self.open, self.tasks = set(), set()

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await self.application(scope, receive, send)
        stream = Stream(self, send)
        self.open.add(stream)
        try:
            await self.application(scope, receive, stream.send)
        except Gone:
            pass
        finally:
            self.open.discard(stream)

    def close(self):
        self.is_closing = True
        for stream in self.open:
            task = asyncio.create_task(stream.close())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)


class Stream:
    """One request. end: the message that ends it, once it may last for ever; None for all others."""

    end, is_closed = None, False

    def __init__(self, streams, send):
        self.streams, self.original_send = streams, send

    async def send(self, message):
        if self.is_closed:
            raise Gone
        kind = message["type"]
        if kind == "websocket.close" or (kind == "http.response.body" and not message.get("more_body")):
            self.end = None
        elif kind == "http.response.start" and is_event_stream(message):
            # Nginx would collect the events until its buffers are full.
            message = {**message, "headers": [*message["headers"], (b"x-accel-buffering", b"no")]}
        await self.original_send(message)
        if kind == "websocket.accept":
            self.end = RESTART
        elif kind == "http.response.start" and is_event_stream(message):
            self.end = {"type": "http.response.body", "body": b"", "more_body": False}
        else:
            return
        if self.streams.is_closing:
            await self.close()

    async def close(self):
        if self.end is not None and not self.is_closed:
            self.is_closed = True
            with suppress(OSError, RuntimeError):  # The client, or the application, was faster.
                await self.original_send(self.end)


def is_event_stream(message):
    found = {name.lower(): value for name, value in message.get("headers", ())}
    return found.get(b"content-type", b"").startswith(b"text/event-stream")
