"""What the checks ask about: this checkout, its configuration, and what the engine says of both."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from django_compose_stack.host import dotenv
from django_compose_stack.doctor.finding import Unmended

TIMED_OUT = 124  # the exit status of such a command, as of timeout(1)
TIMEOUT = 30  # seconds; an engine that thinks longer about a question counts as one that does not answer


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]


class Stack:
    """One checkout, seen from this machine. Facts are read once, and only when a check asks for them."""

    def __init__(self, root: Path, environment: Mapping[str, str] = os.environ):
        self.root = root
        self.environment = environment

    def run(self, *command: str, timeout: float = TIMEOUT, **options: Any) -> subprocess.CompletedProcess:
        """Return the finished process, its output as text; one that cannot start or end counts as failed."""
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        options = {"cwd": self.root, "env": self.environment, "timeout": timeout, **options}
        try:
            return subprocess.run(command, capture_output=True, text=True, errors="replace", **options)
        except subprocess.TimeoutExpired as error:
            return subprocess.CompletedProcess(command, TIMED_OUT, "", str(error))
        except OSError as error:
            return subprocess.CompletedProcess(command, 1, "", str(error))

    def must(self, *command: str, **options: Any) -> str:
        """Return the command's output. Raises Unmended with its last line where it fails."""
        done = self.run(*command, **options)
        if done.returncode:
            raise Unmended(f"{' '.join(command[:3])}: {last_line(done.stderr or done.stdout)}")
        return done.stdout

    def json(self, *command: str) -> Any:
        """Return what a command prints as JSON; None where it fails or prints something else."""
        done = self.run(*command)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:
            return None

    def which(self, name: str) -> str | None:
        return shutil.which(name, path=self.environment.get("PATH", ""))

    @cached_property
    def mode(self) -> str:
        """ "docker" or "native": as MODE says, else whether there is a docker command at all."""
        return self.environment.get("MODE") or ("docker" if self.which("docker") else "native")

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the engine says of itself; empty where none answers."""
        info = self.json("docker", "info", "--format", "{{json .}}") if self.mode == "docker" else None
        return info if info and info.get("ServerVersion") else {}

    def has_security_option(self, name: str) -> bool:
        return any(option.startswith(f"name={name}") for option in self.info.get("SecurityOptions") or [])

    @cached_property
    def config(self) -> dict[str, Any]:
        """compose.yaml as Compose understands it on this machine; empty where it does not."""
        shown = self.run("docker", "compose", "--profile", "*", "config", "--format", "json")
        # Its output is meant to be read by Compose again, so it doubles each dollar sign.
        return json.loads(shown.stdout.replace("$$", "$")) if shown.returncode == 0 else {}

    @cached_property
    def services(self) -> dict[str, Any]:
        return self.config.get("services") or {}

    @cached_property
    def containers(self) -> list[dict[str, Any]]:
        """`docker inspect` of each container of this Compose project, whichever folder it was made from."""
        listed = self.run(
            "docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.name}"
        )
        return self.json("docker", "inspect", *listed.stdout.split()) or [] if self.name and listed.stdout else []

    @cached_property
    def name(self) -> str:
        return self.config.get("name", "")

    def is_own(self, container: dict[str, Any]) -> bool:
        """Whether a container of this project's name was made from this folder, and not from its namesake."""
        made_in = label(container, "project.working_dir")
        return bool(made_in) and (made_in == str(self.root) or os.path.realpath(made_in) == os.path.realpath(self.root))

    def running(self, service: str) -> dict[str, Any] | None:
        """Return the running container of a service of this checkout; None where there is none."""
        for container in filter(self.is_own, self.containers):
            if label(container, "service") == service and label(container, "oneoff") != "True":
                return container if container["State"]["Status"] == "running" else None
        return None

    def image_of(self, service: str) -> str:
        return self.services.get(service, {}).get("image") or f"{self.name}-{service}"

    def image(self, name: str) -> dict[str, Any] | None:
        """Return `docker image inspect` of an image that the engine has; None where it has none."""
        return (self.json("docker", "image", "inspect", name) or [None])[0]

    def try_in(self, image: str, *command: str, mount: str = "", **options: Any) -> subprocess.CompletedProcess:
        """Run a command in a container of its own, without network, that is gone afterwards."""
        volume = ["--volume", mount] if mount else []
        return self.run(
            *("docker", "run", "--rm", "--interactive", "--network=none", "--user=root", "--pull=never"),
            *(*volume, f"--entrypoint={command[0]}", image, *command[1:]),
            **options,
        )

    @cached_property
    def env_file(self) -> Path:
        return self.root / ".env"

    @cached_property
    def env_text(self) -> str:
        """The text of .env; empty where there is none or it is no text."""
        try:
            return self.env_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    @cached_property
    def env(self) -> dict[str, str]:
        """The variables of .env as Compose reads them."""
        return {reading.name: reading.compose or "" for reading in dotenv.read(self.env_text, self.environment)}

    @cached_property
    def example(self) -> dict[str, str]:
        """The variables of .env.example."""
        path = self.root / ".env.example"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return {reading.name: reading.compose or "" for reading in dotenv.read(text, {})}

    def value(self, name: str) -> str:
        """Return a variable as Compose resolves it: the environment, else .env; the example's default if empty."""
        return self.environment.get(name, self.env.get(name)) or self.example.get(name, "")


def label(container: dict[str, Any], name: str) -> str:
    return (container["Config"].get("Labels") or {}).get(f"com.docker.compose.{name}", "")
