"""The error page, and the other file that the supervisor gives to browsers."""

import html
import re
from itertools import groupby
from pathlib import Path
from string import Template
from urllib.parse import quote

from ..failure import Failure, Frame

FOLDER = Path(__file__).parent
PAGE = Template((FOLDER / "error.html").read_text("utf-8"))
CLIENT = (FOLDER / "client.js").read_text("utf-8")
PLACEHOLDER = re.compile(r"\{(path|where|line|column)\}")


def error_page(failure: Failure, headers: dict[str, str], editor: str, version: str) -> tuple[str, str]:
    """Return content type and body: a page for a browser, the traceback as text for anything else."""
    if "text/html" not in headers.get("accept", ""):
        return "text/plain", "\n\n".join(filter(None, (failure["title"], failure["hint"], failure["text"])))
    groups = groupby(failure["frames"], key=lambda frame: bool(frame["library"]))
    frames = "".join((folded if is_library else own)(list(group), editor) for is_library, group in groups)
    first, _, rest = failure["title"].partition("\n")
    page = PAGE.substitute(
        title=html.escape(failure["title"]),
        first=html.escape(first),
        rest=f"<pre class=rest>{html.escape(rest)}</pre>" if rest.strip() else "",
        hint=f"<p class=hint>{html.escape(failure['hint'])}</p>" if failure["hint"] else "",
        frames=frames,
        text=html.escape(failure["text"]),
        open="" if failure["path"] else " open",
        version=version,
    )
    return "text/html", page


def own(frames: list[Frame], editor: str) -> str:
    return "".join(f"<h2>{place(frame, editor)}</h2><pre>{lines(frame)}</pre>" for frame in frames)


def folded(frames: list[Frame], editor: str) -> str:
    """Return frames of libraries, which are read when one's own do not explain it."""
    names = " and ".join(dict.fromkeys(frame["library"] for frame in frames))
    calls = "1 call" if len(frames) == 1 else f"{len(frames)} calls"
    items = "".join(
        f"<li>{place(frame, editor)}<code>{html.escape(text.strip())}</code></li>"
        for frame in frames
        for _, text in frame["source"] or [[0, ""]]
    )
    return f"<details class=folded><summary>{calls} in {html.escape(names)}</summary><ol>{items}</ol></details>"


def place(frame: Frame, editor: str) -> str:
    values = {name: quote(str(frame[name])) for name in ("path", "where", "line", "column")}
    link = html.escape(PLACEHOLDER.sub(lambda match: values[match[1]], editor))
    name = f" in {html.escape(frame['name'])}" if frame["name"] not in ("", "<module>") else ""
    return f'<a href="{link}">{html.escape(frame["where"])}:{frame["line"]}</a>{name}'


def lines(frame: Frame) -> str:
    return "".join(
        f"<span class=here><i>{number}</i>{marked(text, frame)}</span>"
        if number == frame["line"]
        else f"<span><i>{number}</i>{html.escape(text)}</span>"
        for number, text in frame["source"]
    )


def marked(text: str, frame: Frame) -> str:
    """Return a line with the part that the error is about underlined, unless that is all of it."""
    start, end = frame["column"] - 1, frame["end"] - 1
    if end <= start or text[start:end].strip() == text.strip():
        return html.escape(text)
    before, part, after = map(html.escape, (text[:start], text[start:end], text[end:]))
    return f"{before}<u>{part}</u>{after}"
