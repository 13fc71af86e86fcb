"""Add the browser's script to HTML pages of an ASGI application, streamed ones included."""

import json
import time

from .inject import OF_THE_OLD_BODY, RENDERED, allow, note_templates, tag, takes_script

MARK = b"</body>"
MAX_TAIL = 4096  # bytes after </body>; where more follow, that was none


class Inject:
    """An ASGI application around the project's own.

    version: of the code, which the page compares with the one that the supervisor tells.
    """

    def __init__(self, application, version: str):
        self.application, self.version = application, version
        note_templates()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] == "HEAD":
            return await self.application(scope, receive, send)
        page = Page(scope, send, self.version)
        token = RENDERED.set(page.rendered)
        try:
            await self.application(scope, receive, page.send)
        finally:
            RENDERED.reset(token)


class Page:
    """One response: its end is held back until it is known to be the end."""

    def __init__(self, scope, send, version: str):
        self.scope, self.original_send, self.version = scope, send, version
        self.started, self.rendered = time.monotonic(), set()
        self.is_html, self.nonce, self.held = False, "", b""
        self.start: dict | None = None  # not sent so far

    async def send(self, message):
        if message["type"] == "http.response.start" and self.begin(message):
            return  # It goes with the first part of the body, when it is known whether that is all.
        if message["type"] == "http.response.body" and self.is_html:
            is_last = not message.get("more_body", False)
            body = self.add(message.get("body", b""), is_last)
            if self.start is not None:
                if is_last:
                    self.start["headers"].append((b"content-length", str(len(body)).encode()))
                await self.original_send(self.start)
                self.start = None
            if not body and not is_last:
                return
            message = {**message, "body": body}
        await self.original_send(message)

    def begin(self, message) -> bool:
        """Return whether this is a page, and keep its start."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())]
        self.is_html = takes_script(headers)
        if self.is_html:
            headers, self.nonce = allow(headers)
            kept = [(name, value) for name, value in headers if name.lower() not in OF_THE_OLD_BODY]
            encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]
            self.start = {**message, "headers": encoded}
        return self.is_html

    def add(self, part: bytes, is_last: bool) -> bytes:
        """Return what can be sent of the page so far."""
        data = self.held + part
        end = data.rfind(MARK)
        if is_last:
            self.held = b""
            return data if end < 0 else data[:end] + self.tag() + data[end:]
        if end < 0 or len(data) - end > MAX_TAIL:
            end = len(data) - next((size for size in range(len(MARK) - 1, 0, -1) if data.endswith(MARK[:size])), 0)
        self.held = data[end:]
        return data[:end]

    def tag(self) -> bytes:
        files = json.dumps(sorted(self.rendered))
        data = {"version": self.version, "time": self.started, "files": files, "method": self.scope["method"]}
        return tag(data, self.nonce).encode()
