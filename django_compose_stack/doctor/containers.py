"""Checks of this project's containers and images: name clashes, failures, leftovers, outdated images and settings."""

from __future__ import annotations

import re
from pathlib import Path

from django_compose_stack.doctor.stack import Finding, Findings, Stack, in_new_container, label
from django_compose_stack.host.process import TIMED_OUT, last_line
from django_compose_stack.host.project import DOCKERFILE, LAYOUT

LOG_LINES = 15
PULL_TIMEOUT = 60  # seconds
BUILD_TIMEOUT = 900  # seconds
OVERLAY = "-"  # how Compose names a file that it read from standard input
# Exit codes of a deliberate stop: exited by itself, SIGINT, SIGKILL (at the end of the grace period), SIGTERM.
STOPPED = {0, 130, 137, 143}


def check_configuration(stack: Stack) -> Findings:
    if stack.config or not stack.has_compose:
        return
    error = last_line(stack.run("docker", "compose", "config", "--quiet").stderr)
    yield Finding(
        "configuration",
        f"Compose cannot read its files: {error}",
        "No command of the stack works.",
        "Correct the error in .env or compose.yaml, then check it with: docker compose config --quiet",
    )


def check_images(stack: Stack) -> Findings:
    """Look for base images that the engine does not have and cannot pull."""
    if not (stack.info and stack.config):
        return
    wanted = {service["image"] for service in stack.services.values() if service.get("image")}
    build = stack.services.get("web", {}).get("build") or {}
    base = re.search(r"^FROM (\S+) AS base", (stack.root / DOCKERFILE).read_text(), re.M)
    if base and stack.image(stack.image_of("web")) is None:
        wanted.add(re.sub(r"\$\{(\w+)\}", lambda name: (build.get("args") or {}).get(name[1], ""), base[1]))
    for image in sorted(wanted):
        if stack.image(image) is not None:
            continue
        # A slow download is no problem, and is not lost: `up` continues it.
        pulled = stack.run("docker", "pull", "--quiet", image, timeout=PULL_TIMEOUT)
        if pulled.returncode not in (0, TIMED_OUT):
            yield Finding(
                "image",
                f"the engine has no image {image} and cannot pull it: {last_line(pulled.stderr)}",
                "Containers are created from it.",
                "Check the engine's connection to its registry, or run without Docker: make up MODE=native",
            )


def check_name_clashes(stack: Stack) -> Findings:
    """Look for containers of the same project name that another folder created."""
    folders = {label(one, "project.working_dir") for one in stack.containers if not stack.is_own(one)}
    for folder in sorted(folders - {""}):
        there = Path(folder).exists()
        other = f"{stack.name}-2"
        yield Finding(
            "namesake",
            f"project {stack.name} has containers of {folder}{'' if there else ', a folder that no longer exists'}",
            "To Compose both are one project: `up` here replaces those containers and uses their database.",
            f"COMPOSE_PROJECT_NAME={other} in .env, then: make up"
            if there
            else "If this checkout was moved from there: make up. The database is kept",
        )


def check_states(stack: Stack) -> Findings:
    for container in filter(stack.is_own, stack.containers):
        state = container["State"]
        service = label(container, "service")
        # A stopped container keeps the last result of its health check.
        unhealthy = state["Status"] == "running" and (state.get("Health") or {}).get("Status") == "unhealthy"
        failed = state["Status"] in ("exited", "dead") and state["ExitCode"] not in STOPPED
        if label(container, "oneoff") == "True" or service not in stack.services:
            continue
        if state.get("OOMKilled"):
            yield Finding(
                "memory",
                f"{service} was killed because it ran out of memory",
                "It will happen again.",
                "Give the engine more memory: Docker Desktop > Settings > Resources; then: make up",
            )
        elif failed or unhealthy or state["Status"] == "restarting":
            log = stack.run("docker", "logs", f"--tail={LOG_LINES}", container["Id"])
            lines = "\n".join(f"    {line}" for line in (log.stdout + log.stderr).splitlines()[-LOG_LINES:])
            what = "unhealthy" if unhealthy else f"{state['Status']} with status {state['ExitCode']}"
            yield Finding(
                "container",
                f"{service} is {what}. Last log lines:\n{lines}",
                "Services that depend on it do not start.",
                f"Correct the error above, then: make up. The whole log: docker compose logs {service}",
            )


def check_names(stack: Stack) -> Findings:
    """Look up db as web does. An engine that leaves a Swarm forgets the names of all containers that run."""
    web, db = stack.running("web"), stack.running("db")
    if not (web and db):
        return

    def apply() -> str:
        stack.must("docker", "compose", "restart", "db", "web")
        return "restarted db and web"

    looked = stack.run("docker", "exec", "--interactive", web["Id"], "getent", "hosts", "db")
    if looked.returncode and not looked.stderr:
        yield Finding(
            "names",
            "both run, but web does not find db: the engine no longer knows its name",
            "An engine forgets the names of all containers that run when it leaves a Swarm (`docker swarm leave`).",
            "docker compose restart db web",
            apply,
        )


def check_leftovers(stack: Stack) -> Findings:
    """Look for stopped containers that nothing will start again. Running ones may be in use."""
    left = [
        container
        for container in stack.containers
        if stack.is_own(container)
        and container["State"]["Status"] in ("exited", "created", "dead")
        and (label(container, "oneoff") == "True" or label(container, "service") not in stack.services)
    ]

    def apply() -> str:
        stack.must("docker", "rm", *(container["Id"] for container in left))
        return f"removed {names}"

    if left:
        names = ", ".join(container["Name"].lstrip("/") for container in left)
        yield Finding(
            "leftover",
            f"stopped containers are left over: {names}",
            "They use disk space and networks, and `docker compose down` does not remove them.",
            f"docker rm {names.replace(',', '')}",
            apply,
        )


def check_image_age(stack: Stack) -> Findings:
    """Compare the image of web with the requirements and the Python version of this checkout."""
    name = stack.image_of("web")
    image = stack.image(name) if stack.info else None
    build = stack.services.get("web", {}).get("build") or {}
    if not image or build.get("target") != "dev":
        return

    def apply() -> str:
        if stack.running("web"):
            stack.must("docker", "compose", "up", "--detach", "--build", "--wait", timeout=BUILD_TIMEOUT)
            return f"built {name} and restarted the services"
        stack.must("docker", "compose", "build", "--quiet", "web", timeout=BUILD_TIMEOUT)
        return f"built {name}"

    lock = stack.root / "requirements/dev.txt"
    inside = stack.run(*in_new_container(name, "", "cat", f"/opt/venv/{lock.name}"))
    environment = dict(entry.split("=", 1) for entry in image["Config"].get("Env") or [])
    wanted = (build.get("args") or {}).get("PYTHON_VERSION", "")
    has = environment.get("PYTHON_VERSION", "")
    if inside.returncode == 0 and inside.stdout != lock.read_text():
        check = "image-requirements"
        problem = f"image {name} is outdated: {lock.name} has changed since it was built"
        reason = "Each new container installs the difference before it starts, and fails without a network."
    elif has and wanted and not f"{has}.".startswith(f"{wanted}."):
        check = "image-python"
        problem = f"image {name} has Python {has}, but PYTHON_VERSION is {wanted}"
        reason = "The code runs on the wrong Python version."
    else:
        return
    yield Finding(check, problem, reason, "docker compose build, or: make up", apply)


def check_configuration_age(stack: Stack) -> Findings:
    """Compare the running containers with the present .env and compose.yaml."""
    if LAYOUT:
        return  # With env_file, the hash that Compose prints is not the one of the containers that it makes.
    hashes = dict(line.split() for line in stack.run("docker", "compose", "config", "--hash", "*").stdout.splitlines())
    older = [
        service
        for service, wanted in hashes.items()
        if (running := stack.running(service))
        and label(running, "config-hash") != wanted
        # make share runs them with other settings on purpose.
        and OVERLAY not in label(running, "project.config_files").split(",")
    ]
    if older:
        yield Finding(
            "container-settings",
            f"{', '.join(older)} runs with outdated settings: .env or compose.yaml has changed",
            "The change has no effect yet.",
            "make up",
        )
