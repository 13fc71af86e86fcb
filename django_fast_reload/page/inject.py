"""Add the browser's script to HTML pages, whatever they are made with, and let a Content-Security-Policy allow it."""

import copy
import json
import os
import re
import time
from contextvars import ContextVar
from html import escape

from django.template.base import Template

RENDERED: ContextVar[set[str] | None] = ContextVar("rendered", default=None)  # templates of the request under way
NONCE = re.compile(r"'nonce-([^']+)'")
SCRIPTS = ("script-src-elem", "script-src", "default-src")  # the first that a policy has is the one that counts
CONNECTIONS = ("connect-src", "default-src")
ALLOWING = {"'self'", "*"}  # either lets in what this server sends


def note_templates() -> None:
    """Make each template note that it was rendered: a page needs no reload for those of other pages."""
    render = Template._render

    def render_and_note(template, context):
        rendered = RENDERED.get()
        if rendered is not None and template.origin.loader is not None:
            rendered.add(os.path.realpath(template.origin.name))
        return render(template, context)

    Template._render = render_and_note


# With these the browser would be told that its page, which names an older version, is still the same.
OF_THE_OLD_BODY = {"content-length", "etag", "last-modified"}


class Inject:
    """A WSGI application around the project's own.

    version: of the code, which the page compares with the one that the supervisor tells.
    """

    def __init__(self, application, version: str):
        self.application, self.version = application, version
        note_templates()

    def __call__(self, environ, start_response):
        started, rendered, answer = time.monotonic(), set(), []
        token = RENDERED.set(rendered)

        def capture(status, headers, exc_info=None):
            answer[:] = [status, headers, exc_info]

        try:
            response = self.application(environ, capture)
            if len(answer) < 3 or not is_page(response, answer[1], environ):
                start_response(*answer)
                return response
            body = b"".join(response)
        finally:
            RENDERED.reset(token)
        head, end, tail = body.rpartition(b"</body>")
        headers, nonce = allow(answer[1])
        if end:
            data = {"version": self.version, "time": started, "files": json.dumps(sorted(rendered))}
            body = head + tag({**data, "method": environ["REQUEST_METHOD"]}, nonce).encode() + end + tail
        headers = [(name, value) for name, value in headers if name.lower() not in OF_THE_OLD_BODY]
        start_response(answer[0], [*headers, ("Content-Length", str(len(body)))], answer[2])
        page = copy.copy(response)  # A view may return the same response each time.
        page.content = body
        return page


def is_page(response, headers, environ) -> bool:
    """Tell whether a response is a whole HTML page that takes a script, in memory."""
    return (
        takes_script(headers) and getattr(response, "streaming", True) is False and environ["REQUEST_METHOD"] != "HEAD"
    )


def takes_script(headers: list[tuple[str, str]]) -> bool:
    """Tell whether headers are those of an HTML page to be shown, not compressed, and in no sandbox without scripts."""
    names = {name.lower(): value for name, value in headers}
    policies = [parsed(value) for name, value in headers if name.lower() == "content-security-policy"]
    return (
        names.get("content-type", "").startswith("text/html")
        and "content-encoding" not in names
        and not names.get("content-disposition", "").lower().startswith("attachment")
        and all("allow-scripts" in policy.get("sandbox", ["allow-scripts"]) for policy in policies)
    )


def tag(data: dict, nonce: str) -> str:
    values = "".join(f' data-{name}="{escape(str(value))}"' for name, value in data.items())
    nonce = f' nonce="{escape(nonce)}"' if nonce else ""
    return f'<script src="/__devserver__/client.js"{nonce}{values} async></script>'


def allow(headers: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], str]:
    """Return headers under which the script may run and listen, and the nonce it needs.

    A policy that allows 'self', as most do, or whose nonce the page already has, stays as it is.
    """
    changed, nonce = [], ""
    for name, value in headers:
        if name.lower() == "content-security-policy":
            policy = parsed(value)
            before = copy.copy(policy)
            scripts = first(policy, SCRIPTS)
            if match := NONCE.search(" ".join(scripts)):
                nonce = match[1]
            elif ALLOWING.isdisjoint(scripts) or "'strict-dynamic'" in scripts:
                nonce = os.urandom(12).hex()
                add(policy, SCRIPTS, f"'nonce-{nonce}'")
            if ALLOWING.isdisjoint(first(policy, CONNECTIONS)):
                add(policy, CONNECTIONS, "'self'")
            if policy != before:
                value = "; ".join(" ".join([directive, *sources]) for directive, sources in policy.items())
        changed.append((name, value))
    return changed, nonce


def parsed(value: str) -> dict[str, list[str]]:
    """Return the directives of a Content-Security-Policy, each with its sources."""
    return {part.split()[0].lower(): part.split()[1:] for part in value.split(";") if part.strip()}


def first(policy: dict, names: tuple[str, ...]) -> list[str]:
    return next((policy[name] for name in names if name in policy), ["*"])


def add(policy: dict, names: tuple[str, ...], source: str) -> None:
    """Allow one source more, in a directive of its own where only the default spoke for it."""
    sources = [value for value in first(policy, names) if value != "'none'"]
    kept = next(name for name in names if name in policy)
    policy[names[-2] if kept == "default-src" else kept] = [*sources, source]
