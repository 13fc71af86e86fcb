"""What the production commands share: production's variables, its secrets, ways to ask the engine.

Python 3.9+, standard library only. DOCKER_HOST and Docker's contexts choose the engine.
"""

import functools
import json
import os
import secrets
import subprocess
import sys

from django_compose_stack.host import process
from django_compose_stack.host.process import die
from django_compose_stack.host.project import ROOT

FILE = "compose.prod.yaml"
SECRETS = ROOT / "secrets"
NO_CERTIFICATE = "None yet, so HTTP alone. Put the {} here, in PEM, and run the command again.\n"


def run(*command, **options):
    return process.run(*command, **{"env": environment(), **options})


def must(*command, **options):
    process.must(*command, **{"env": environment(), **options})


def output(*command):
    return process.output(*command, env=environment())


@functools.cache
def environment():
    """Return the variables for compose.prod.yaml: this process' own, those of .env, and what neither sets.

    `docker stack deploy` reads no .env, so Compose is asked what it makes of it.
    """
    command = ["docker", "compose", "-f", FILE, "config", "--environment"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        die(f"Compose cannot read its files: {done.stderr.strip()}")
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    found.update(os.environ)
    defaults = {
        "HTTPS": "true" if has_certificate() else "false",
        "IMAGE": "django-compose-stack",
        "STACK_NAME": "production",
    }
    for name, value in defaults.items():
        found[name] = found.get(name) or value
    return found


def stack():
    return environment()["STACK_NAME"]


def compose(*words):
    return ["docker", "compose", "--project-name", stack(), "--file", FILE, *words]


@functools.cache
def model():
    """Return compose.prod.yaml as Compose reads it."""
    return json.loads(output(*compose("config", "--format", "json")))


def container(service):
    """Return the id of a running container of the service, the stack's or Compose's; exit where there is none."""
    swarm = [f"com.docker.swarm.service.name={stack()}_{service}"]
    project = [f"com.docker.compose.project={stack()}", f"com.docker.compose.service={service}"]
    for labels in (swarm, project):
        found = output("docker", "ps", "--quiet", *(f"--filter=label={label}" for label in labels))
        if found:
            return found.split()[0]
    die(f"no container of {stack()}'s {service} runs on this engine. Start it with: make prod-up, or: make deploy")


def has_certificate():
    path = SECRETS / "tls_certificate"
    return path.exists() and "BEGIN CERTIFICATE" in path.read_text()


def make_secrets():
    """Make the files of secrets/ that are not there yet."""
    SECRETS.mkdir(mode=0o700, exist_ok=True)
    contents = {
        "postgres_password": secrets.token_urlsafe(24),
        "secret_key": secrets.token_urlsafe(50),
        "tls_certificate": NO_CERTIFICATE.format("certificate and its chain"),
        "tls_key": NO_CERTIFICATE.format("key of the certificate"),
    }
    for name, content in contents.items():
        path = SECRETS / name
        if not path.exists():
            path.write_text(content)
            # Compose mounts the file itself, and the users in the containers are others; the folder keeps out
            # everybody else of this machine.
            path.chmod(0o644)
    if not has_certificate():
        print(f"No certificate in {SECRETS.name}/tls_certificate: HTTP alone.", file=sys.stderr)


def address():
    env = environment()
    scheme, name, usual = ("https", "HTTPS_PORT", "443") if has_certificate() else ("http", "HTTP_PORT", "80")
    host = (env.get("ALLOWED_HOSTS") or "localhost").split(",")[0].strip().lstrip(".")
    port = env.get(name) or usual
    return f"{scheme}://{host}" + ("" if port == usual else f":{port}") + "/"

