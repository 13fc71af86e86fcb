"""Checks of this project's containers and images: namesakes, failures, leftovers, and what is older than its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django_compose_stack.doctor.finding import Finding
from django_compose_stack.doctor.stack import TIMED_OUT, Stack, label, last_line

LOG_LINES = 15
PULL_TIMEOUT = 60  # seconds
BUILD_TIMEOUT = 900  # seconds
OVERLAY = "-"  # how Compose names a file that it read from standard input
# How a container ends that was told to: by itself, by SIGINT, SIGKILL (at the end of its grace period), SIGTERM.
TOLD = {0, 130, 137, 143}


def check_configuration(stack: Stack) -> Iterator[Finding]:
    if stack.config or stack.run("docker", "compose", "version").returncode:
        return
    error = last_line(stack.run("docker", "compose", "config", "--quiet").stderr)
    yield Finding(
        "configuration",
        f"Compose cannot read its files: {error}",
        "No command of the stack works.",
        "Mend what it names, in .env or compose.yaml; docker compose config --quiet tries again",
    )


def check_images(stack: Stack) -> Iterator[Finding]:
    """Look for base images that the engine neither has nor can pull."""
    if not (stack.info and stack.config):
        return
    wanted = {service["image"] for service in stack.services.values() if service.get("image")}
    build = stack.services.get("web", {}).get("build") or {}
    base = re.search(r"^FROM (\S+) AS base", (stack.root / "Dockerfile").read_text(), re.M)
    if base and stack.image(stack.image_of("web")) is None:
        wanted.add(re.sub(r"\$\{(\w+)\}", lambda name: (build.get("args") or {}).get(name[1], ""), base[1]))
    for image in sorted(wanted):
        if stack.image(image) is not None:
            continue
        # What is there is not lost: `up` goes on where this ends. A download that takes its time is no fault.
        pulled = stack.run("docker", "pull", "--quiet", image, timeout=PULL_TIMEOUT)
        if pulled.returncode not in (0, TIMED_OUT):
            yield Finding(
                "image",
                f"the engine has no image {image} and cannot pull it: {last_line(pulled.stderr)}",
                "Containers are made from it.",
                "Mend the engine's way to its registry, or run without Docker: make up MODE=native",
            )


def check_namesakes(stack: Stack) -> Iterator[Finding]:
    """Look for containers that another folder of the same name has made."""
    folders = {label(one, "project.working_dir") for one in stack.containers if not stack.is_own(one)}
    for folder in sorted(folders - {""}):
        there = Path(folder).exists()
        other = f"{stack.name}-2"
        yield Finding(
            "namesake",
            f"project {stack.name} has containers of {folder}{'' if there else ', a folder that is gone'}",
            "Compose takes both for one project: `up` here replaces the other's containers and uses its database.",
            f"COMPOSE_PROJECT_NAME={other} in .env, then: make up"
            if there
            else "If this checkout was moved from there: make up. Its database is kept",
        )


def check_states(stack: Stack) -> Iterator[Finding]:
    for container in filter(stack.is_own, stack.containers):
        state = container["State"]
        service = label(container, "service")
        # A container that was stopped keeps the health that it had, or had not yet.
        ill = state["Status"] == "running" and (state.get("Health") or {}).get("Status") == "unhealthy"
        failed = state["Status"] in ("exited", "dead") and state["ExitCode"] not in TOLD
        if label(container, "oneoff") == "True" or service not in stack.services:
            continue
        if state.get("OOMKilled"):
            yield Finding(
                "memory",
                f"{service} was killed because the engine's memory was used up",
                "It will be again.",
                "Give the engine more: Docker Desktop > Settings > Resources; then: make up",
            )
        elif failed or ill or state["Status"] == "restarting":
            # A container that exits writes its last words to both streams.
            log = stack.run("docker", "logs", f"--tail={LOG_LINES}", container["Id"])
            words = "\n".join(f"    {line}" for line in (log.stdout + log.stderr).splitlines()[-LOG_LINES:])
            what = "unhealthy" if ill else f"{state['Status']} with status {state['ExitCode']}"
            yield Finding(
                "container",
                f"{service} is {what}; its last words:\n{words}",
                "Whatever waits for it does not start.",
                f"Mend what it says, then: make up. All of it: docker compose logs {service}",
            )


def check_leftovers(stack: Stack) -> Iterator[Finding]:
    """Look for stopped containers that nothing will start again. What runs is somebody's work."""
    left = [
        container
        for container in stack.containers
        if stack.is_own(container)
        and container["State"]["Status"] in ("exited", "created", "dead")
        and (label(container, "oneoff") == "True" or label(container, "service") not in stack.services)
    ]

    def mend() -> str:
        stack.must("docker", "rm", *(container["Id"] for container in left))
        return f"removed {names}"

    if left:
        names = ", ".join(container["Name"].lstrip("/") for container in left)
        yield Finding(
            "leftover",
            f"stopped containers are left over: {names}",
            "They hold disk space and networks, and `docker compose down` leaves them behind.",
            f"docker rm {names.replace(',', '')}",
            mend,
        )


def check_image_age(stack: Stack) -> Iterator[Finding]:
    """Compare the image of web with the requirements and the Python that this checkout asks for."""
    name = stack.image_of("web")
    image = stack.image(name) if stack.info else None
    build = stack.services.get("web", {}).get("build") or {}
    if not image or build.get("target") != "dev":
        return

    def mend() -> str:
        if stack.running("web"):
            stack.must("docker", "compose", "up", "--detach", "--build", "--wait", timeout=BUILD_TIMEOUT)
            return f"built {name} and restarted what runs"
        stack.must("docker", "compose", "build", "--quiet", "web", timeout=BUILD_TIMEOUT)
        return f"built {name}"

    lock = stack.root / "requirements/dev.txt"
    inside = stack.try_in(name, "cat", "/opt/venv/requirements/dev.txt")
    environment = dict(entry.split("=", 1) for entry in image["Config"].get("Env") or [])
    wanted = (build.get("args") or {}).get("PYTHON_VERSION", "")
    has = environment.get("PYTHON_VERSION", "")
    if inside.returncode == 0 and inside.stdout != lock.read_text():
        yield Finding(
            "image-requirements",
            f"image {name} was built from other requirements than {lock.name} has now",
            "Each container made from it installs the difference before it starts; without a network it cannot.",
            "docker compose build, or: make up",
            mend,
        )
    elif has and wanted and not f"{has}.".startswith(f"{wanted}."):
        yield Finding(
            "image-python",
            f"image {name} has Python {has}, PYTHON_VERSION asks for {wanted}",
            "Code runs on a Python that nobody asked for.",
            "docker compose build, or: make up",
            mend,
        )


def check_configuration_age(stack: Stack) -> Iterator[Finding]:
    """Compare running containers with what .env and compose.yaml would make now."""
    hashes = dict(line.split() for line in stack.run("docker", "compose", "config", "--hash", "*").stdout.splitlines())
    older = [
        service
        for service, wanted in hashes.items()
        if (running := stack.running(service))
        and label(running, "config-hash") != wanted
        # make share has laid another file over them, on purpose.
        and OVERLAY not in label(running, "project.config_files").split(",")
    ]
    if older:
        yield Finding(
            "container-settings",
            f"{', '.join(older)} runs with older settings than .env and compose.yaml have now",
            "What was changed there does not count yet.",
            "make up",
        )


CHECKS = (
    check_configuration,
    check_images,
    check_namesakes,
    check_states,
    check_leftovers,
    check_image_age,
    check_configuration_age,
)
