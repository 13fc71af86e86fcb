"""Which changes of .env a running server can't take over: variables that were set before Django reads the file."""

import os
import re

LINE = re.compile(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*")
COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


class DotEnv:
    def __init__(self, root: str, environment: dict[bytes, bytes]):
        self.root, self.path, self.environment = root, f"{root}/.env", environment
        self.values = self.read()

    def read(self) -> dict[str, str]:
        return dict(match.groups() for line in lines(self.path) if (match := LINE.fullmatch(line)))

    def changed_outside(self) -> list[str]:
        """Return the variables that changed since the last call and whose value comes from outside the file."""
        before, self.values = self.values, self.read()
        changed = {name for name, _ in before.items() ^ self.values.items()}
        text = "".join(line for name in COMPOSE for line in lines(f"{self.root}/{name}"))
        return sorted(name for name in changed if name.encode() in self.environment or f"${{{name}" in text)


def lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def restart_command() -> str:
    """Return what to do so that variables set from outside take their new values."""
    return "Run: docker compose up -d" if os.path.exists("/.dockerenv") else "Stop the server and start it again."
