"""Checks of the engine itself: whether one answers, its versions, clock, architecture and proxies."""

from __future__ import annotations

import json
import os
import re
import socket
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from django_compose_stack.doctor.stack import Finding, Findings, Stack
from django_compose_stack.host.dotenv import without_passwords
from django_compose_stack.host.process import last_line

# The first with start_interval in health checks; the first with develop.watch and with content of a config.
OLDEST_ENGINE = (25, 0)
OLDEST_COMPOSE = (2, 23)
SKEW = 5  # seconds
PROXY_TIMEOUT = 3  # seconds
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
NATIVE = "or run without Docker: make up MODE=native"


def version(text: str) -> tuple[int, int]:
    """Return the major and minor number in a version; (0, 0) if there is none."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def check_engine(stack: Stack) -> Findings:
    if stack.info:
        return
    if not stack.which("docker"):
        yield Finding("no-docker", "there is no docker command", "MODE is docker.", f"Install Docker, {NATIVE}")
        return
    error = last_line(stack.run("docker", "info").stderr)
    host = stack.environment.get("DOCKER_HOST")
    if "permission denied" in error:
        fix = "sudo usermod -aG docker $USER, then log out and in again"
    elif host:
        fix = f"unset DOCKER_HOST, which is {host}; or start the engine there; {NATIVE}"
    elif "context" in error:
        fix = "docker context use default"
    else:
        fix = f"Start Docker Desktop, or on Linux: sudo systemctl start docker; {NATIVE}"
    reason = "Without an engine, make up runs the stack without Docker, on another database than Docker's."
    if stack.mode == "docker":
        reason = "Nothing can be built or started."
    yield Finding("no-engine", f"no Docker engine answers: {error}", reason, fix)


def check_versions(stack: Stack) -> Findings:
    if stack.info and version(stack.info["ServerVersion"]) < OLDEST_ENGINE:
        yield Finding(
            "old-engine",
            f"the Docker engine is {stack.info['ServerVersion']}, older than {'.'.join(map(str, OLDEST_ENGINE))}",
            "It does not support start_interval, which compose.yaml uses for quick health checks.",
            f"Update Docker (https://docs.docker.com/engine/install/), {NATIVE}",
        )
    if not stack.which("docker"):
        return
    compose = stack.run("docker", "compose", "version", "--short")
    if compose.returncode:
        yield Finding(
            "no-compose",
            "Docker has no Compose plugin" + ("; docker-compose is too old" if stack.which("docker-compose") else ""),
            "compose.yaml needs Compose 2.",
            f"sudo apt install docker-compose-plugin (or docker-compose-v2), {NATIVE}",
        )
    elif version(compose.stdout) < OLDEST_COMPOSE:
        yield Finding(
            "old-compose",
            f"Compose is {compose.stdout.strip()}, older than {'.'.join(map(str, OLDEST_COMPOSE))}",
            "It does not support `develop`, or `content` of a config, which compose.yaml uses.",
            f"sudo apt install --only-upgrade docker-compose-plugin, {NATIVE}",
        )


def check_clock(stack: Stack) -> Findings:
    text = stack.info.get("SystemTime", "")
    if not text:
        return
    zone = re.search(r"[+-]\d\d:?\d\d$", text)
    there = datetime.strptime(text[:19] + (zone[0] if zone else "Z"), "%Y-%m-%dT%H:%M:%S%z")
    skew = there.timestamp() - time.time()
    # The engine's time is truncated to seconds, and was read a moment ago.
    if abs(skew) > SKEW:
        yield Finding(
            "clock-skew",
            f"the engine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's",
            "Signatures and sessions expire at the wrong time, TLS to other servers fails, and changed files look old.",
            "Restart Docker Desktop; on Windows: wsl --shutdown; on Linux: sudo timedatectl set-ntp true",
        )


def check_architecture(stack: Stack) -> Findings:
    machine = stack.info.get("Architecture", "")
    machine = ARCHITECTURES.get(machine, machine)
    wanted = stack.environment.get("DOCKER_DEFAULT_PLATFORM", "")
    if machine and wanted and wanted.split("/")[1:2] != [machine]:
        yield Finding(
            "platform",
            f"DOCKER_DEFAULT_PLATFORM is {wanted}, this engine runs {machine}",
            "Images are built and run under emulation, several times slower, or fail.",
            "unset DOCKER_DEFAULT_PLATFORM, then: docker compose build --pull",
        )
    for service in stack.services:
        name = stack.image_of(service)
        image = stack.image(name)
        if machine and image and image["Architecture"] != machine:
            built = "build" in stack.services[service]
            yield Finding(
                "architecture",
                f"image {name} of {service} is for {image['Architecture']}, this engine runs {machine}",
                'It runs under emulation, several times slower, or fails with "exec format error".',
                f"docker compose {'build --pull' if built else 'pull'} {service}",
            )


def check_proxies(stack: Stack) -> Findings:
    """Look for proxies that cut the engine off from its registry, or break the health check."""
    for name in ("HttpProxy", "HttpsProxy"):
        proxy = stack.info.get(name) or ""
        if proxy and "docker.internal" not in proxy and not reachable(proxy):
            yield Finding(
                "proxy-engine",
                f"the engine's proxy {without_passwords(proxy)} does not answer",
                "The engine pulls images through it.",
                "Correct it: Docker Desktop > Settings > Resources > Proxies; on Linux /etc/docker/daemon.json or "
                "systemctl edit docker, then: sudo systemctl restart docker",
            )
            break
    folder = stack.environment.get("DOCKER_CONFIG") or Path("~/.docker").expanduser()
    try:
        given = json.loads(Path(folder, "config.json").read_text())["proxies"]["default"]
    except (OSError, ValueError, KeyError, TypeError):
        given = {}
    proxy = given.get("httpProxy", "")
    if not proxy:
        return
    if (urlsplit(proxy).hostname or "") in ("localhost", "127.0.0.1", "::1"):
        yield Finding(
            "proxy-loopback",
            f"{folder}/config.json gives containers the proxy {without_passwords(proxy)}",
            "Inside a container, localhost is the container itself. No proxy runs there, so builds cannot download.",
            "Use an address of this machine that containers can reach, such as host.docker.internal",
        )
    if not urllib.request.proxy_bypass_environment("127.0.0.1", {"no": given.get("noProxy", "")}):
        yield Finding(
            "proxy-health",
            f"{folder}/config.json gives containers a proxy, and noProxy does not contain 127.0.0.1",
            "The health check of web goes to the proxy, so web never becomes healthy.",
            f'Add "noProxy": "localhost,127.0.0.1,db" in {folder}/config.json, then: make up',
        )


def reachable(url: str) -> bool:
    parts = urlsplit(url if "//" in url else f"//{url}")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=PROXY_TIMEOUT):
            return True
    except (OSError, ValueError):
        return False


def check_identity(stack: Stack) -> Findings:
    """Check how the engine maps users: the owner of this folder must exist inside containers."""
    if os.name == "nt":
        return
    owner = stack.root.stat().st_uid
    if stack.has_security_option("rootless") and owner != os.getuid():
        yield Finding(
            "rootless-owner",
            f"the engine runs as you (uid {os.getuid()}), this folder belongs to uid {owner}",
            "Inside a container the folder belongs to nobody, so no process can write to it.",
            f"sudo chown -R {os.getuid()}:{os.getgid()} {stack.root}",
        )
    if stack.has_security_option("userns"):
        yield Finding(
            "userns-remap",
            "the engine maps the users of containers to other users (userns-remap)",
            "Inside a container this folder belongs to nobody, so no process can write to it.",
            "Set userns_mode: host for web in compose.override.yaml, then: make up",
        )
