"""Engines on this machine that know each other by a network of their own: the nodes of a Swarm."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from django_compose_stack.tests.stack.checkout import run, wait_for

SUBNET = "10.213.57"
VISITOR = 254  # the last number of the address from which visitors come


def engine_program() -> Path | None:
    """Return the dockerd of this machine, which need not be on PATH while it runs; None where there is none."""
    for link in Path("/proc").glob("[0-9]*/exe"):
        with suppress(OSError):
            if link.readlink().name == "dockerd":
                return link.readlink()
    found = shutil.which("dockerd")
    return Path(found) if found else None


def obstacle() -> str:
    """Say what keeps this machine from having engines in network namespaces; empty where nothing does."""
    if os.getuid():
        return "only root can make network namespaces"
    missing = [name for name in ("ip", "nsenter", "unshare") if not shutil.which(name)]
    if missing or not engine_program():
        return f"there is no {(missing or ['dockerd'])[0]}"
    return ""


class Nodes:
    """Engines, numbered from 1, each in a network namespace at SUBNET.number, all on one bridge.

    Their data and sockets are in the folder; their containers share the machine's kernel and nothing else.
    """

    def __init__(self, folder: Path, count: int):
        self.folder = folder
        self.numbers = range(1, count + 1)
        self.tag = f"n{os.getpid()}"
        self.engines: dict[int, subprocess.Popen] = {}

    def __enter__(self):
        try:
            self.connect()
            for number in self.numbers:
                self.start(number)
            for number in self.numbers:
                wait_for(lambda n=number: self.docker(n, "version", check=False).returncode == 0, f"engine {number}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        # The engines end their containers, and leave their mounts behind where they are killed.
        for engine in self.engines.values():
            os.killpg(engine.pid, signal.SIGTERM)
        for engine in self.engines.values():
            engine.wait(60)
        for number in (*self.numbers, 0):
            run("ip", "netns", "del", self.namespace(number), check=False)
            shutil.rmtree(f"/run/{self.namespace(number)}", ignore_errors=True)

    def namespace(self, number: int) -> str:
        return f"{self.tag}-{number}"

    def inside(self, number: int, *words: str) -> list[str]:
        """Return the command that runs in a node's network; 0 is the bridge's. `ip netns exec` would hide cgroups."""
        return ["nsenter", f"--net=/run/netns/{self.namespace(number)}", *words]

    def ip(self, number: int, *words: str) -> None:
        run(*self.inside(number, "ip", *words))

    def connect(self) -> None:
        for number in (0, *self.numbers):
            run("ip", "netns", "add", self.namespace(number))
            self.ip(number, "link", "set", "lo", "up")
        self.ip(0, "link", "add", "bridge", "type", "bridge")
        self.ip(0, "addr", "add", f"{SUBNET}.{VISITOR}/24", "dev", "bridge")
        self.ip(0, "link", "set", "bridge", "up")
        for number in self.numbers:
            here, there = f"port{number}", self.namespace(number)
            self.ip(0, "link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", there)
            self.ip(0, "link", "set", here, "master", "bridge", "up")
            self.ip(number, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            self.ip(number, "link", "set", "eth0", "up")
            # An engine takes its address from the way out, though there is none.
            self.ip(number, "route", "add", "default", "via", f"{SUBNET}.{VISITOR}")

    def start(self, number: int) -> None:
        home = self.folder / str(number)
        home.mkdir()
        program = engine_program()
        places = [f"--data-root={home}/data", f"--pidfile={home}/pid", f"--exec-root=/run/{self.namespace(number)}"]
        script = f'hostname node{number}; exec "$@"'
        command = ["unshare", "--uts", "sh", "-c", script, "sh", str(program), f"--host={self.host(number)}", *places]
        with (home / "log").open("w") as log:
            self.engines[number] = subprocess.Popen(
                self.inside(number, *command),
                env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def address(self, number: int) -> str:
        return f"{SUBNET}.{number}"

    def host(self, number: int) -> str:
        """Return the DOCKER_HOST of an engine; below /run, because a socket's path must be short."""
        return f"unix:///run/{self.namespace(number)}/api.sock"

    def docker(self, number: int, *words: str, **options):
        return run("docker", *words, DOCKER_HOST=self.host(number), **options)

    def load(self, *images: str) -> None:
        """Copy images of this machine's engine to all of them, which reach no registry."""
        archive = self.folder / "images.tar"
        run("docker", "save", f"--output={archive}", *images)
        for number in self.numbers:
            self.docker(number, "load", "--quiet", f"--input={archive}")
        archive.unlink()

    def join(self) -> None:
        """Make them one Swarm of managers."""
        self.docker(1, "swarm", "init", f"--advertise-addr={self.address(1)}")
        token = self.docker(1, "swarm", "join-token", "--quiet", "manager").stdout.strip()
        for number in self.numbers[1:]:
            address = f"--advertise-addr={self.address(number)}"
            self.docker(number, "swarm", "join", address, f"--token={token}", f"{self.address(1)}:2377")

    def cut(self, number: int) -> None:
        """Take a node from the network at once, as a pulled cable or a machine that stops would."""
        self.ip(0, "link", "set", f"port{number}", "down")
