"""The two wheels in lock files, written as `uv pip compile` with [tool.uv.sources] writes them."""

import hashlib
import re

FOLDER = ".stack"


def add(text, wheels):
    """Return a lock with the wheels in it, in the order of names, before what stays.

    text: a lock that has neither. wheels: {file name: bytes}.
    """
    head, *blocks = re.split(r"^(?=[a-zA-Z0-9.])", text, flags=re.M)
    blocks += [entry(name, content) for name, content in wheels.items()]
    return head + "".join(sorted(blocks, key=name_of))


def entry(name, content):
    return f"{FOLDER}/{name} \\\n    --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"


def name_of(block):
    """Return the package's name, by which uv sorts: of `name==1.0 …` and of `.stack/name-1.0-py3-none-any.whl …`."""
    path = re.match(r"\S*/([\w.]+)-\S+\.whl", block)
    return re.sub(r"[-_.]+", "-", path[1] if path else re.split(r"[=\[ ;]", block)[0]).lower()


def sources(wheels):
    """Return the lines of [tool.uv.sources] in pyproject.toml."""
    names = sorted(wheels)
    return "".join(f'{name_of(f"{FOLDER}/{name}")} = {{path = "{FOLDER}/{name}"}}\n' for name in names)
