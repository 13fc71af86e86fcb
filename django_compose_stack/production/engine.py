"""What the commands of production share: its variables, its secrets, ways to run programs with them.

DOCKER_HOST and Docker's contexts choose the engine.
"""

import functools
import os
import re
import secrets

from django_compose_stack.host import process
from django_compose_stack.host.lock import held
from django_compose_stack.host.process import Failure, must_output, parse_config, say
from django_compose_stack.host.project import ROOT, content

FILE = "compose.prod.yaml"
SECRETS = ROOT / "secrets"
ADDRESSES = ("database_url", "email_url")
NO_CERTIFICATE = "None yet: HTTP only. Put the {} here, in PEM, and run the command again.\n"


def run(*command, **options):
    return process.run(*command, **{"env": environment(), **options})


def must(*command, **options):
    process.must(*command, **{"env": environment(), **options})


def output(*command):
    return process.output(*command, env=environment())


@functools.lru_cache(None)
def environment():
    """Return the variables for compose.prod.yaml: this process' own, those of .env, and what neither sets.

    `docker stack deploy` reads no .env, so Compose is asked how it reads it.
    """
    command = ["docker", "compose", "-f", FILE, "config", "--environment"]
    printed = must_output("Compose cannot read its files", f"correct {FILE} or .env", *command)
    found = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    found.update(os.environ)
    defaults = {
        "HTTPS": "true" if has_certificate() else "false",
        "IMAGE": re.sub("[^a-z0-9]+", "-", ROOT.name.lower()).strip("-") or "site",
        "STACK_NAME": "production",
    }
    for name, value in defaults.items():
        found[name] = found.get(name) or value
    return found


def stack():
    return environment()["STACK_NAME"]


def compose(*words):
    return ["docker", "compose", "--project-name", stack(), "--file", FILE, *words]


@functools.lru_cache(None)
def model():
    """Return compose.prod.yaml as Compose reads it."""
    return parse_config(output(*compose("config", "--format", "json")))


def forget():
    """Forget how Compose read its files and the environment, which have changed."""
    environment.cache_clear()
    model.cache_clear()


def changing(what):
    """Hold the lock of this production for a command that changes it."""
    return held(stack(), model()["services"]["nginx"]["image"], what)


def container(service):
    """Return the id of a running container of a service, the stack's or Compose's. Raises Failure if there is none."""
    swarm = [f"com.docker.swarm.service.name={stack()}_{service}"]
    project = [f"com.docker.compose.project={stack()}", f"com.docker.compose.service={service}"]
    for labels in (swarm, project):
        found = output("docker", "ps", "--quiet", *(f"--filter=label={label}" for label in labels))
        if found:
            return found.split()[0]
    raise Failure(f"no container of {stack()}'s {service} runs on this engine", "make prod-up, or: make deploy")


def has_certificate():
    return "BEGIN CERTIFICATE" in content(SECRETS / "tls_certificate")


def make_secrets():
    """Create the missing files of secrets/, and write the addresses with a password that are in .env."""
    SECRETS.mkdir(mode=0o700, exist_ok=True)
    contents = {
        "postgres_password": secrets.token_urlsafe(24),
        "secret_key": secrets.token_urlsafe(50),
        "tls_certificate": NO_CERTIFICATE.format("certificate and its chain"),
        "tls_key": NO_CERTIFICATE.format("key of the certificate"),
        # A secret of a stack cannot be empty.
        **dict.fromkeys(ADDRESSES, "\n"),
    }
    for name, default in contents.items():
        path = SECRETS / name
        given = environment().get(name.upper()) if name in ADDRESSES else ""
        if given and content(path) != given:
            path.write_text(given)
        elif not path.exists():
            path.write_text(default)
            # Other users read it, in the containers. The mode of the folder keeps out the others of this machine.
            path.chmod(0o644)
    if not has_certificate():
        say(f"no certificate in {SECRETS.name}/tls_certificate: HTTP only")


def address():
    env = environment()
    scheme, name, usual = ("https", "HTTPS_PORT", "443") if has_certificate() else ("http", "HTTP_PORT", "80")
    host = (env.get("ALLOWED_HOSTS") or "localhost").split(",")[0].strip().lstrip(".")
    port = env.get(name) or usual
    return f"{scheme}://{host}" + ("" if port == usual else f":{port}") + "/"
