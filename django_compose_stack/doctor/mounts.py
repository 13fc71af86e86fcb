"""Check of the bind mount: a container watches this folder while a file is created in it."""

from __future__ import annotations

import json
import os
import select
import subprocess
from typing import Any

from django_compose_stack.doctor.files import FULL_DISK, SPACE
from django_compose_stack.doctor.stack import Finding, Findings, Stack, in_new_container
from django_compose_stack.host.mode import ENGINE_TIMEOUT

# Runs in the container. It prints that it watches, then, after one event or `wait` seconds, what it saw.
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
    """Return what a container saw of a new file in this folder; None if there is no image to try it with.

    file: "seen", "unseen" or "denied". event: whether inotify reported it. error: why the folder cannot be watched.
    system: type of the file system at /app. free: bytes free on the engine's disk.
    """
    image = stack.image_of("web")
    if not stack.info or stack.image(image) is None:
        return None
    marker = stack.root / f".doctor-{os.getpid()}"
    mount = f"{stack.root}:/app:ro,z"
    watch = in_new_container(image, mount, "python", "-c", WATCH, marker.name, str(WAIT))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(watch, env=stack.environment, text=True, **pipes)
    try:
        # readline alone would block forever if the container never starts.
        if not select.select([process.stdout], [], [], ENGINE_TIMEOUT)[0] or process.stdout.readline() != "watching\n":
            return None
        marker.touch()
        output, _ = process.communicate("created\n", timeout=ENGINE_TIMEOUT)
        return json.loads(output)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    finally:
        process.kill()
        process.communicate()
        marker.unlink(missing_ok=True)


def check_mount(stack: Stack) -> Findings:
    seen = probe(stack)
    if seen is None:
        return
    if seen["file"] == "unseen":
        yield Finding(
            "mount-elsewhere",
            f"a container does not see the files of {stack.root}",
            "The engine runs on another machine, or this folder is not shared with it, so /app is empty.",
            "Use the engine of this machine (docker context use default; unset DOCKER_HOST), or share the folder: "
            "Docker Desktop > Settings > Resources > File sharing",
        )
    elif seen["file"] == "denied":
        yield Finding(
            "mount-denied",
            f"a container is not allowed to read {stack.root}",
            "SELinux or the mapping of users forbids it.",
            f"With SELinux: chcon -Rt container_file_t {stack.root}",
        )
    elif seen["error"]:
        yield Finding(
            "inotify",
            f"a container cannot watch files: {seen['error']}",
            "The development server must compare files instead, at each request and once a second.",
            "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512",
        )
    elif not seen["event"]:
        yield Finding(
            "file-events",
            f"a container sees the files of {stack.root} (file system {seen['system']}), but gets no events of changes",
            "The development server must compare files instead, at each request and once a second.",
            "Move the checkout to a file system with events: on Windows to WSL (\\\\wsl$, ~/); on macOS use VirtioFS. "
            "Network shares stay slow",
        )
    if seen["free"] < SPACE:
        yield Finding("engine-disk-full", f"the engine's disk is full: {seen['free'] / 1e6:.0f} MB free", *FULL_DISK)
