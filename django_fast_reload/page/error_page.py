"""The error page, and the other file that the supervisor gives to browsers."""

import html
import os
import re
from string import Template
from urllib.parse import quote

from ..ipc import Failure, Frame


def read(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()


PAGE = Template(read("error.html"))
CLIENT = read("client.js")
PLACEHOLDER = re.compile(r"\{(path|where|line)\}")


def error_page(failure: Failure, headers: dict[str, str], editor: str, version: str) -> tuple[str, str]:
    """Return content type and body: a page for a browser, the traceback as text for anything else."""
    if "text/html" not in headers.get("accept", ""):
        return "text/plain", f"{failure['title']}\n\n{failure['text']}"
    frames = "".join(frame_html(frame, editor) for frame in failure["frames"])
    page = PAGE.substitute(
        title=html.escape(failure["title"]),
        frames=frames,
        text=html.escape(failure["text"]),
        open="" if frames else " open",
        version=version,
    )
    return "text/html", page


def frame_html(frame: Frame, editor: str) -> str:
    lines = "".join(
        f"<span{' class=here' * (number == frame['line'])}><i>{number}</i>{html.escape(text)}</span>"
        for number, text in frame["source"]
    )
    values = {"{path}": quote(frame["path"]), "{where}": quote(frame["where"]), "{line}": str(frame["line"])}
    link = html.escape(PLACEHOLDER.sub(lambda match: values[match[0]], editor))
    name = f" in {html.escape(frame['name'])}" if frame["name"] not in ("", "<module>") else ""
    return f'<h2><a href="{link}">{html.escape(frame["where"])}:{frame["line"]}</a>{name}</h2><pre>{lines}</pre>'
