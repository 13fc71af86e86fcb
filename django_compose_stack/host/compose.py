"""Reads what Docker Compose prints."""

from __future__ import annotations

import json
from typing import Any


def parse_config(text: str) -> dict[str, Any]:
    """Return what `docker compose config --format=json` printed as Compose understands it.

    Its output is meant to be read by Compose again, so it doubles each dollar sign.
    """
    return json.loads(text.replace("$$", "$"))
