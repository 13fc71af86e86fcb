"""Checks of the bind mount, by trying it: a container watches this folder while a file is written here."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator
from typing import Any

from django_compose_stack.doctor.files import SPACE
from django_compose_stack.doctor.finding import Finding
from django_compose_stack.doctor.stack import TIMEOUT, Stack

# Runs in the container. It says when it watches, and after `wait` seconds or one event what it saw.
WATCH = """
import ctypes, json, os, select, sys
libc = ctypes.CDLL(None, use_errno=True)
name, wait = sys.argv[1], float(sys.argv[2])
watch = libc.inotify_init()
CREATE = 0x100
added = libc.inotify_add_watch(watch, b"/app", CREATE) if watch >= 0 else -1
error = os.strerror(ctypes.get_errno()) if added < 0 else ""
here = [line.split() for line in open("/proc/self/mountinfo")]
system = [line[line.index("-") + 1] for line in here if line[4] == "/app"][-1]
disk = os.statvfs("/")
print("watching", flush=True)
sys.stdin.readline()
event = False
while watch >= 0 and not event and select.select([watch], [], [], wait)[0]:
    event = name.encode() in os.read(watch, 4096)
try:
    read = bool(os.listdir("/app")) and "seen" if os.path.exists("/app/" + name) else "unseen"
except OSError:
    read = "denied"
print(json.dumps({"file": read, "event": event, "error": error, "system": system,
    "free": disk.f_bavail * disk.f_frsize}))
"""
WAIT = 2  # seconds


def probe(stack: Stack) -> dict[str, Any] | None:
    """Return what a container saw of a file made here; None where the project has no image to try it with.

    file: "seen", "unseen" or "denied". event: whether its making was announced. error: why none could be.
    system: type of the file system at /app. free: bytes left on the engine's disk.
    """
    image = stack.image_of("web")
    if not stack.info or stack.image(image) is None:
        return None
    marker = stack.root / f".doctor-{os.getpid()}"
    command = (
        *("docker", "run", "--rm", "--interactive", "--network=none", "--user=root", "--pull=never"),
        *("--volume", f"{stack.root}:/app:ro,z", "--entrypoint=python", image, "-c", WATCH, marker.name, str(WAIT)),
    )
    process = subprocess.Popen(
        command,
        env=stack.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        # Not readline alone: a container that never starts would hold it for ever.
        if not select.select([process.stdout], [], [], TIMEOUT)[0] or process.stdout.readline() != "watching\n":
            return None
        marker.touch()
        output, _ = process.communicate("made\n", timeout=TIMEOUT)
        return json.loads(output)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    finally:
        process.kill()
        process.communicate()
        marker.unlink(missing_ok=True)


def check_mount(stack: Stack) -> Iterator[Finding]:
    seen = probe(stack)
    if seen is None:
        return
    if seen["file"] == "unseen":
        yield Finding(
            "mount-elsewhere",
            f"a container does not see the files of {stack.root}",
            "The engine is on another machine, or this folder is not shared with it; /app is empty there.",
            "Use the engine of this machine (docker context use default; unset DOCKER_HOST), or share the folder: "
            "Docker Desktop > Settings > Resources > File sharing",
        )
    elif seen["file"] == "denied":
        yield Finding(
            "mount-denied",
            f"a container may not read {stack.root}",
            "SELinux or the mapping of users forbids it.",
            f"With SELinux: chcon -Rt container_file_t {stack.root}",
        )
    elif seen["error"]:
        yield Finding(
            "inotify",
            f"a container cannot watch files: {seen['error']}",
            "The development server then compares files, at each request and once a second, instead of being told.",
            "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512",
        )
    elif not seen["event"]:
        yield Finding(
            "file-events",
            f"a container sees the files of {stack.root} (file system {seen['system']}), but is not told of changes",
            "The development server then compares files, at each request and once a second, instead of being told.",
            "Move the checkout to a file system of the engine's own: on Windows into WSL (\\\\wsl$, ~/), "
            "on macOS choose VirtioFS; a network share stays slow",
        )
    if seen["free"] < SPACE:
        yield Finding(
            "engine-disk-full",
            f"the engine's disk is full: {seen['free'] / 1e6:.0f} MB are free",
            "Postgres stops when it cannot write, and builds fail half-way.",
            "Make room. What the engine holds: docker system df. Its build cache: docker builder prune",
        )


CHECKS = (check_mount,)
