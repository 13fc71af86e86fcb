"""Mail of development: files below .mail/, which the dashboard shows at /_stack/mail/. None leaves the machine."""

import base64
import email
import re
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage as Message
from email.policy import default as policy
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.functional import cached_property

FOLDER = ".mail"
MAX_KEPT = 500  # messages; the oldest go first
NAME = re.compile(r"[0-9]{20}-[0-9a-f]{8}")
SHOWN_HEADERS = ("From", "To", "Cc", "Bcc", "Reply-To", "Date")
# Where an HTML part names another part. A picture in a data: URL needs no request, and runs no script.
CONTENT_ID = re.compile(r"cid:([^\s\"'<>()]+)", re.I)
SHOWN_INLINE = {"image/gif", "image/jpeg", "image/png", "image/svg+xml", "image/webp"}


def folder() -> Path:
    """Return where the messages are; it need not exist."""
    return Path(getattr(settings, "STACK_ROOT", "") or settings.BASE_DIR, FOLDER)


class EmailBackend(BaseEmailBackend):
    """Keeps each message in a file, for the dashboard. It takes and refuses the same messages as the SMTP backend."""

    def send_messages(self, email_messages) -> int:
        sent = [message for message in email_messages or () if message.recipients()]
        for message in sent:
            content = message.message()
            if message.bcc:
                # Django leaves them out, because each recipient could read them.
                content["Bcc"] = ", ".join(map(str, message.bcc))
            keep(content.as_bytes())
        return len(sent)


def keep(content: bytes) -> None:
    """Write a message in one step, for the owner alone: it may hold a link that resets a password."""
    place = folder()
    place.mkdir(mode=0o700, exist_ok=True)
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    unfinished = place / f".{name}"
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.rename(place / f"{name}.eml")
    for old in names()[MAX_KEPT:]:
        (place / f"{old}.eml").unlink(missing_ok=True)


def names() -> list[str]:
    """Return the names of the messages, newest first."""
    return sorted((path.stem for path in folder().glob("*.eml") if NAME.fullmatch(path.stem)), reverse=True)


def clear() -> None:
    for name in names():
        (folder() / f"{name}.eml").unlink(missing_ok=True)


def messages() -> Iterator["Mail"]:
    """Yield the messages, newest first."""
    return filter(None, map(read, names()))


def read(name: str) -> "Mail | None":
    """Return a message; None where there is none of that name."""
    try:
        content = (folder() / f"{name}.eml").read_bytes() if NAME.fullmatch(name) else b""
    except FileNotFoundError:
        return None
    return Mail(name, email.message_from_bytes(content, policy=policy)) if content else None


class Part(NamedTuple):
    """An attachment. number: its place among all parts of the message; size: in bytes."""

    number: int
    name: str
    kind: str
    size: int


class Mail:
    """A message as the dashboard shows it. What is malformed in it is shown as well as it can be."""

    def __init__(self, name: str, message: Message):
        self.name, self.message = name, message
        self.at = datetime.fromtimestamp(int(name[:20]) / 1e9, UTC)
        self.parts = list(message.walk())

    @property
    def subject(self) -> str:
        return header(self.message, "Subject")

    @property
    def to(self) -> str:
        return ", ".join(filter(None, (header(self.message, name) for name in ("To", "Cc", "Bcc"))))

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name in SHOWN_HEADERS if (value := header(self.message, name))]

    @property
    def other_headers(self) -> list[tuple[str, str]]:
        known = {name.lower() for name in (*SHOWN_HEADERS, "Subject")}
        return [(name, header(self.message, name)) for name in dict.fromkeys(self.message) if name.lower() not in known]

    @cached_property
    def text(self) -> str:
        return self.body("text/plain")

    @cached_property
    def html(self) -> str:
        """The HTML part, with pictures of the message in it."""
        found = {
            header(part, "Content-ID").strip().strip("<>"): data_url(part)
            for part in self.parts
            if part.get_content_type() in SHOWN_INLINE
        }
        return CONTENT_ID.sub(lambda match: found.get(match[1], match[0]), self.body("text/html"))

    def body(self, kind: str) -> str:
        """Return the first part of a content type that is no attachment; empty if there is none."""
        part = next((part for part in self.parts if part.get_content_type() == kind and not is_file(part)), None)
        return "" if part is None else decoded(part)

    @cached_property
    def attachments(self) -> list[Part]:
        """All parts but those that are shown: containers, and the first text of each kind."""
        shown = {kind for kind in ("text/plain", "text/html") if self.body(kind)}
        found = []
        for number, part in enumerate(self.parts):
            kind = part.get_content_type()
            if part.is_multipart() and kind != "message/rfc822":
                continue
            if kind in shown and not is_file(part):
                shown.remove(kind)
                continue
            found.append(Part(number, filename(part) or f"part-{number}", kind, len(payload(part))))
        return found

    def attachment(self, number: int) -> tuple[str, bytes] | None:
        """Return file name and content of an attachment; None where there is none of that number."""
        found = next((part for part in self.attachments if part.number == number), None)
        return found and (found.name, payload(self.parts[number]))


def header(part: Message, name: str) -> str:
    """Return the values of a header, decoded; empty if there is none."""
    try:
        return ", ".join(map(str, part.get_all(name, [])))
    except Exception:
        # For some malformed headers, the parser of the standard library raises almost anything.
        return "(malformed)"


def filename(part: Message) -> str:
    try:
        return part.get_filename("")
    except Exception:
        return ""


def is_file(part: Message) -> bool:
    return bool(filename(part)) or header(part, "Content-Disposition").lower().startswith("attachment")


def payload(part: Message) -> bytes:
    if part.is_multipart():
        # A message in a message is such a list.
        return b"".join(inner.as_bytes() for inner in part.get_payload())
    return part.get_payload(decode=True) or b""


def decoded(part: Message) -> str:
    try:
        return payload(part).decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        # A charset that Python does not know.
        return payload(part).decode("utf-8", "replace")


def data_url(part: Message) -> str:
    return f"data:{part.get_content_type()};base64,{base64.b64encode(payload(part)).decode()}"
