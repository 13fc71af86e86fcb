"""Which changes of .env a running server can't take over: variables that were set before Django reads the file."""

import os
import re
from pathlib import Path

LINE = re.compile(r"^\s*(?:export\s+)?(\w+)[^\S\n]*=[^\S\n]*(.*?)[^\S\n]*$", re.MULTILINE)
COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


class DotEnv:
    def __init__(self, root: str, environment: dict[bytes, bytes]):
        self.root, self.path, self.environment = root, f"{root}/.env", environment
        self.values = dict(LINE.findall(text_of(self.path)))

    def advice(self) -> str:
        """Say which variables changed since the last call whose values come from outside the file; empty for none."""
        before, self.values = self.values, dict(LINE.findall(text_of(self.path)))
        changed = {name for name, _ in before.items() ^ self.values.items()}
        compose = "".join(text_of(f"{self.root}/{name}") for name in COMPOSE)
        outside = sorted(name for name in changed if name.encode() in self.environment or f"${{{name}" in compose)
        how = "Run: docker compose up -d" if os.path.exists("/.dockerenv") else "Stop the server and start it again."
        return f".env: the change of {', '.join(outside)} needs a restart. {how}" if outside else ""


def text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
