"""What a change of .env can't reach: variables that are set from outside before Django reads the file."""

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

    def overruled(self) -> list[str]:
        """Return the variables that changed since the last call and that a running server can't take from the file."""
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


def cure() -> str:
    """Return the command after which the outside variables are new."""
    return "docker compose up -d" if os.path.exists("/.dockerenv") else "a new start of the server"
