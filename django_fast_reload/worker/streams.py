"""End in order what would stay open for ever: websockets and streams of server-sent events."""

import asyncio
import logging
from contextlib import suppress
from email.utils import formatdate

from uvicorn.protocols.utils import ClientDisconnected

from .gate import Gate

RESTART = {"type": "websocket.close", "code": 1012, "reason": "The code has changed"}  # 1012: service restart
END = {"type": "http.response.body", "more_body": False}
# Browsers wait seconds before they connect again, if nobody says how long.
RETRY = b"retry: 100\n\n"
EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
NOT_KEPT = {b"connection", b"date"}
log = logging.getLogger("django.server")


class Streams:
    """An ASGI application around the project's own, which is set when it is loaded.

    Each message of a websocket and each event passes the gate, so that after a save no old code answers or speaks.
    """

    def __init__(self, gate: Gate):
        self.application, self.gate = None, gate
        self.open: dict[Exchange, asyncio.Task] = {}
        self.closing: set[asyncio.Task] = set()
        self.closed: list[dict] = []  # the scopes of these

    async def __call__(self, scope, receive, send):
        kind = {"http": Response, "websocket": WebSocket}.get(scope["type"])
        if kind is None:
            return await self.application(scope, receive, send)
        exchange = kind(scope, receive, send, self.gate)
        self.open[exchange] = asyncio.current_task()
        try:
            await self.application(scope, exchange.receive, exchange.send)
        except ClientDisconnected:
            if not exchange.is_closed:
                raise
        finally:
            del self.open[exchange]

    def close(self) -> None:
        """Begin to end the streams."""
        self.closed = [exchange.scope for exchange in self.open if exchange.is_stream]
        for exchange in self.open:
            task = asyncio.create_task(exchange.close())
            self.closing.add(task)
            task.add_done_callback(self.closing.discard)

    def has_closed(self, scope: dict) -> bool:
        return any(each is scope for each in self.closed)

    def cancel(self) -> None:
        """Cancel the code behind streams that were closed and behind those that still can't be."""
        for exchange, task in self.open.items():
            if exchange.is_stream:
                task.cancel()


class Exchange:
    """One request, and what is sent for it.

    is_stream: it may last for ever; is_closed: by this server, because the code has changed.
    """

    is_stream = is_closed = is_over = False

    def __init__(self, scope, receive, send, gate: Gate):
        self.scope, self.original_receive, self.original_send, self.gate = scope, receive, send, gate

    async def close(self) -> None:
        """End it at once if it is a stream that has begun."""
        if self.is_stream and not self.is_over:
            self.is_over = self.is_closed = True
            with suppress(ClientDisconnected, RuntimeError):  # The client, or the project, was faster.
                await self.end()

    async def begin(self, message) -> None:
        self.is_stream = True
        await self.original_send(message)
        if self.gate.is_retired:
            await self.close()

    async def must_be_open(self) -> None:
        """Raise ClientDisconnected where the code has been replaced: what it still has to say is out of date."""
        if self.is_closed or not await self.gate.is_open():
            await self.close()
            raise ClientDisconnected

    async def pass_on(self, message) -> None:
        """Send what the end may overtake while this waits for a client that does not read."""
        try:
            await self.original_send(message)
        except RuntimeError:
            if self.is_closed:
                raise ClientDisconnected from None
            raise


class WebSocket(Exchange):
    async def receive(self):
        while True:
            message = await self.original_receive()
            # A message that may not be answered any more is followed by the end, which is what the project gets.
            if message["type"] != "websocket.receive" or (not self.is_closed and await self.gate.is_open()):
                return message

    async def send(self, message):
        if message["type"] == "websocket.accept":
            log.info('"WebSocket %s" 101', self.scope["raw_path"].decode("latin-1"), extra={"status_code": 101})
            await self.begin(message)
            return
        if message["type"] == "websocket.send":
            await self.must_be_open()
        elif self.is_closed:
            return
        else:
            self.is_over = True
        await self.pass_on(message)

    async def end(self) -> None:
        await self.original_send(RESTART)


class Response(Exchange):
    status = size = 0
    last = b"\n\n"  # bytes that were sent last

    async def receive(self):
        return await self.original_receive()

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in NOT_KEPT]
            # Each request has a connection of its own, so that each passes the supervisor's barrier.
            headers += [(b"date", formatdate(usegmt=True).encode()), (b"connection", b"close")]
            message = {**message, "headers": headers}
            if is_event_stream(headers) and self.scope["method"] != "HEAD":
                self.note()
                await self.begin(message)
                return
        elif message["type"] == "http.response.body":
            await self.add(message)
            return
        await self.original_send(message)

    async def add(self, message) -> None:
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        if self.is_stream:
            await self.must_be_open()
            self.last = (self.last + body)[-4:]
        self.size += len(body)
        self.is_over = is_last
        await self.pass_on(message)
        if is_last and not self.is_stream:
            self.note()

    async def end(self) -> None:
        # In the middle of an event anything more would become a part of it.
        await self.original_send({**END, "body": RETRY if self.last.endswith(EVENT_ENDS) else b""})

    def note(self) -> None:
        """Log as Django's own server does."""
        scope, query = self.scope, self.scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        level = logging.INFO if self.status < 400 else logging.WARNING if self.status < 500 else logging.ERROR
        text = f"{scope['method']} {path} HTTP/{scope['http_version']}"
        log.log(level, '"%s" %s %s', text, self.status, self.size, extra={"status_code": self.status})


def is_event_stream(headers) -> bool:
    found = {name.lower(): value for name, value in headers}
    return found.get(b"content-type", b"").startswith(b"text/event-stream") and b"content-encoding" not in found
