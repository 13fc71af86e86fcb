"""The last reloads, as the development server reports them."""

import json
import os
import sys
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

SHOWN = 12
TIMEOUT = 0.5  # seconds
STATUS = "/__devserver__/status"


class Reload(NamedTuple):
    """One load of the code. share: its time as a percentage of the longest reload; 0 for a start of the server."""

    at: datetime
    what: str
    ms: float
    share: float
    error: str


def ask(address: str, port: int) -> dict | None:
    """Return the status of the development server; None if another one is in use."""
    # Asking any other server would add a request to its log.
    if "_fast_reload.worker.main" not in sys.modules:
        return None
    client = HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        client.request("GET", STATUS, headers={"Host": "localhost"})  # the only name it surely knows
        status = json.loads(client.getresponse().read())
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        client.close()
    return status if isinstance(status, dict) else None


def recent(status: dict | None) -> list[Reload] | None:
    """Return the last reloads, newest first; None if the server in use does not record them."""
    try:
        history = status["history"][-SHOWN:]
        longest = max((each["ms"] for each in history if each["files"]), default=0) or 1
        return [
            Reload(
                datetime.fromtimestamp(each["time"], UTC),
                named(each["files"]),
                each["ms"],
                max(1.0, 100 * each["ms"] / longest) if each["files"] else 0,
                each["error"],
            )
            for each in reversed(history)
        ]
    except (ValueError, KeyError, TypeError):
        return None


def named(files: list[str]) -> str:
    if not files:
        return "start"
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return os.path.relpath(files[0]) + more if files[0].startswith("/") else files[0] + more
