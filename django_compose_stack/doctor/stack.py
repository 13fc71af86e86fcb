"""What each check gets, a Stack, and what it yields, Findings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from django_compose_stack.host import dotenv, mode
from django_compose_stack.host.process import ask, last_line, parse_config


class Finding(NamedTuple):
    """One problem.

    check: a stable identifier for machines. problem and reason: sentences. fix: what to do, with the command.
    apply: applies the fix and returns what it did, in the past tense; only where that cannot lose anything. It raises
    NotFixed if it fails.
    """

    check: str
    problem: str
    reason: str
    fix: str
    apply: Callable[[], str] | None = None


Findings = "collections.abc.Iterator[Finding]"  # A string, because Python 3.8 cannot subscript it.


class NotFixed(Exception):
    """A fix that failed; the text says why."""


class Stack:
    """One checkout, its configuration and what the engine says about both. Each fact is read once, when asked for."""

    def __init__(self, root: Path, environment: Mapping[str, str] = os.environ):
        self.root = root
        self.env_file = root / ".env"
        self.environment = environment

    def run(self, *command: str, timeout: float = mode.ENGINE_TIMEOUT, **options: Any) -> subprocess.CompletedProcess:
        """Return the finished process, its output as text; one that cannot start or takes too long has failed."""
        return ask(*command, **{"cwd": self.root, "env": self.environment, "timeout": timeout, **options})

    def must(self, *command: str, **options: Any) -> str:
        """Return the command's output. Raises NotFixed with its last line if it fails."""
        done = self.run(*command, **options)
        if done.returncode:
            raise NotFixed(f"{' '.join(command[:3])}: {last_line(done.stderr or done.stdout)}")
        return done.stdout

    def json(self, *command: str) -> Any:
        """Return what a command prints as JSON; None if it fails or prints something else."""
        done = self.run(*command)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:
            return None

    def which(self, name: str) -> str | None:
        return shutil.which(name, path=self.environment.get("PATH", ""))

    @cached_property
    def mode(self) -> str:
        """How `make up` runs the stack now: "docker", "native" or "production"."""
        return mode.mode(self.environment, lambda: bool(self.info and self.has_compose))

    @cached_property
    def uses_docker(self) -> bool:
        """Whether to examine Docker: MODE asks for it, or there is a docker command. Its engine may be down."""
        wanted = self.environment.get("MODE", "")
        return wanted == "docker" or (not wanted and self.which("docker") is not None)

    @cached_property
    def has_compose(self) -> bool:
        return self.run("docker", "compose", "version").returncode == 0

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the engine says about itself; empty if none answers."""
        info = self.json("docker", "info", "--format", "{{json .}}") if self.uses_docker else None
        return info if info and info.get("ServerVersion") else {}

    def has_security_option(self, name: str) -> bool:
        return any(option.startswith(f"name={name}") for option in self.info.get("SecurityOptions") or [])

    @cached_property
    def config(self) -> dict[str, Any]:
        """compose.yaml as Compose understands it on this machine; empty if it does not."""
        shown = self.run("docker", "compose", "--profile", "*", "config", "--format", "json")
        return parse_config(shown.stdout) if shown.returncode == 0 else {}

    @cached_property
    def services(self) -> dict[str, Any]:
        return self.config.get("services") or {}

    @cached_property
    def containers(self) -> list[dict[str, Any]]:
        """`docker inspect` of each container of this Compose project, whichever folder created it."""
        label = f"label=com.docker.compose.project={self.name}"
        listed = self.run("docker", "ps", "--all", "--quiet", "--filter", label)
        return self.json("docker", "inspect", *listed.stdout.split()) or [] if self.name and listed.stdout else []

    @cached_property
    def name(self) -> str:
        return self.config.get("name", "")

    def is_own(self, container: dict[str, Any]) -> bool:
        """Return whether this folder created a container, and not another one of the same project name."""
        folder = label(container, "project.working_dir")
        return bool(folder) and (folder == str(self.root) or os.path.realpath(folder) == os.path.realpath(self.root))

    def running(self, service: str) -> dict[str, Any] | None:
        """Return the running container of a service of this checkout; None if there is none."""
        for container in filter(self.is_own, self.containers):
            if label(container, "service") == service and label(container, "oneoff") != "True":
                return container if container["State"]["Status"] == "running" else None
        return None

    def image_of(self, service: str) -> str:
        return self.services.get(service, {}).get("image") or f"{self.name}-{service}"

    def image(self, name: str) -> dict[str, Any] | None:
        """Return `docker image inspect` of an image; None if the engine does not have it."""
        return (self.json("docker", "image", "inspect", name) or [None])[0]

    @cached_property
    def env_text(self) -> str:
        """The text of .env; empty if it is missing or not text."""
        try:
            return self.env_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    @cached_property
    def env(self) -> dict[str, str]:
        """The variables of .env as Compose reads them."""
        return dotenv.compose_values(self.env_text, self.environment)

    @cached_property
    def example(self) -> dict[str, str]:
        """The variables of .env.example."""
        path = self.root / ".env.example"
        return dotenv.compose_values(path.read_text(encoding="utf-8") if path.exists() else "", {})

    def value(self, name: str) -> str:
        """Return a variable as Compose resolves it: the environment, else .env; if empty, the example's default."""
        return self.environment.get(name, self.env.get(name)) or self.example.get(name, "")


def in_new_container(image: str, mount: str, *command: str) -> list[str]:
    """Return the words that run a command in a new container without network. mount: a --volume, or empty."""
    words = ["docker", "run", "--rm", "--interactive", "--network=none", "--user=root", "--pull=never"]
    words += ["--volume", mount] if mount else []
    return [*words, f"--entrypoint={command[0]}", image, *command[1:]]


def label(container: dict[str, Any], name: str) -> str:
    return (container["Config"].get("Labels") or {}).get(f"com.docker.compose.{name}", "")
