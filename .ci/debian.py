"""What `engine` and `images` both ask of a Debian machine; Python 3.11, because Debian 12 has no newer one."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NoReturn

# The first Debian release whose Engine, Compose, nginx and PostgreSQL are the ones that users have now.
SUITE = "forky"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def die(message: str) -> NoReturn:
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")


def run(command: list[str], timeout: float = 600, **options) -> str:
    """Return what the command printed; exit with its last lines where it fails.

    timeout: seconds, after which the command is ended.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            **options,
        )
    except FileNotFoundError:
        die(f"{command[0]} is not installed")
    except subprocess.TimeoutExpired:
        die(f"`{' '.join(command)}` has not ended after {timeout:.0f} s")
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        die(f"`{' '.join(command)}` failed with status {done.returncode}:\n{tail}")
    return done.stdout


def succeeds(*command: str, timeout: float = 60) -> bool:
    """Say whether the command exists and exits 0 within timeout seconds."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@cache
def update() -> None:
    # Its status is not looked at: an unrelated repository may be out of reach, and what is needed fails below.
    subprocess.run(["apt-get", "update", "-qq"], stdin=subprocess.DEVNULL, capture_output=True, timeout=300)


def install(*packages: str) -> None:
    """Install those of the machine's own packages that it lacks."""
    # The query fails only for unknown names; a package that was removed may still be listed, as "rc".
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", *packages]
    listed = subprocess.run(query, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout == "ii " * len(packages):
        return
    update()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=environment)


def mirror() -> str:
    """Return the address of the Debian mirror that this machine's apt uses.

    Exits where there is none, as on any other distribution.
    """
    update()
    targets = run(["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages"])
    for line in targets.splitlines():
        label, _, address = line.partition("|")
        if label == "Debian":
            return address
    die("no Debian mirror among the sources of apt; install Docker Engine with Compose and buildx by hand")


def acquire_settings() -> list[str]:
    """Return the apt settings without which this machine's mirror may be out of reach, as lines of apt.conf."""
    wanted = re.compile(r'Acquire::(Check-|Retries|https?::)\S* "[^"]+"')
    return [line for line in run(["apt-config", "dump"]).splitlines() if wanted.match(line)]
