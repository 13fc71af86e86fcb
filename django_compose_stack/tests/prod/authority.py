"""A certificate authority of this machine's own: Pebble, which speaks ACME as Let's Encrypt does."""

import json
import tempfile
import time
from pathlib import Path

from django_compose_stack.tests.stack.checkout import free_port, run, wait_for

IMAGE = "ghcr.io/letsencrypt/pebble:2.10.0"
# Where containers reach this machine.
BRIDGE = "{{(index .IPAM.Config 0).Gateway}}"


class Authority:
    """It finds every name of `names` on this machine, at the port of HTTP of a production.

    seconds: the life of its certificates.
    """

    def __init__(self, port: int, names: list[str], seconds: int):
        self.folder = Path(tempfile.mkdtemp())
        self.name = f"authority-{self.folder.name}"
        self.host = run("docker", "network", "inspect", "bridge", "--format", BRIDGE).stdout.strip()
        self.port, self.port_of_http, self.names, self.seconds = free_port(), port, names, seconds
        self.management = free_port()
        run(
            *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
            *["-days", "2", "-subj", "/CN=pebble", "-addext", f"subjectAltName=IP:{self.host}"],
            *["-keyout", f"{self.folder}/key.pem", "-out", f"{self.folder}/certificate.pem"],
        )
        self.folder.chmod(0o755)
        (self.folder / "key.pem").chmod(0o644)

    @property
    def address(self) -> str:
        return f"https://{self.host}:{self.port}/dir"

    def start(self) -> None:
        profile = {"description": "short", "validityPeriod": self.seconds}
        settings = {
            "listenAddress": f"0.0.0.0:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": "/authority/certificate.pem",
            "privateKey": "/authority/key.pem",
            "httpPort": self.port_of_http,
            "tlsPort": 1,
            "profiles": {"default": profile},
        }
        (self.folder / "settings.json").write_text(json.dumps({"pebble": settings}))
        hosts = [f"--add-host={name}:127.0.0.1" for name in self.names]
        variables = ["--env=PEBBLE_VA_NOSLEEP=1", "--env=PEBBLE_WFE_NONCEREJECT=0", "--env=PEBBLE_AUTHZREUSE=0"]
        command = ["docker", "run", "--detach", "--rm", f"--name={self.name}", "--network=host", *hosts, *variables]
        run(*command, f"--volume={self.folder}:/authority:ro", IMAGE, "-config", "/authority/settings.json")
        wait_for(
            lambda: "Listening" in run("docker", "logs", self.name).stderr + run("docker", "logs", self.name).stdout,
            "Pebble",
        )

    def stop(self) -> None:
        run("docker", "rm", "--force", self.name, check=False)
        time.sleep(0.1)
