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
from django_compose_stack.services.database import chosen

FILE = "compose.prod.yaml"
ACME_FILE = "compose.acme.yaml"
DOMAIN = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
ORDER = ("db", "web", "nginx", "acme")
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
    domain = found["DOMAIN"] = ",".join(names_of(found.get("DOMAIN", "")))
    defaults = {
        "ALLOWED_HOSTS": domain.replace("*", ""),
        "HTTPS": "true" if domain or has_certificate() else "false",
        "IMAGE": re.sub("[^a-z0-9]+", "-", ROOT.name.lower()).strip("-") or "site",
        "STACK_NAME": "production",
    }
    for name, value in defaults.items():
        found[name] = found.get(name) or value
    return found


def names_of(domain):
    """Return the names in the variable DOMAIN. Raises Failure if one is none."""
    names = [name.strip().lower() for name in domain.split(",") if name.strip()]
    for name in names:
        if not DOMAIN.fullmatch(name):
            problem = f"DOMAIN has value {domain!r}, and {name!r} is no name on the internet"
            raise Failure(problem, "DOMAIN=example.com,www.example.com in .env; a name, no address and no port")
    return names


def domains():
    """Return the names that a certificate is asked for; none if the project has a certificate of its own."""
    return [] if has_certificate() else names_of(environment()["DOMAIN"])


def check_domain():
    """Raise Failure if no certificate can be asked for as .env and the Compose files are."""
    env = environment()
    hosts = [host.strip() for host in env["ALLOWED_HOSTS"].split(",")]
    if domains() and not (ROOT / ACME_FILE).exists():
        raise Failure(f"DOMAIN is set, and {ACME_FILE} and its files in nginx/ are missing", "make update FROM=…")
    for name in domains():
        plain = name.lstrip("*.")
        if not any(host in ("*", plain) or (host[:1] == "." and f".{plain}".endswith(host)) for host in hosts):
            problem = f"DOMAIN names {name}, which ALLOWED_HOSTS={env['ALLOWED_HOSTS']} does not answer to"
            raise Failure(problem, "add it there, or leave ALLOWED_HOSTS empty: then it is what DOMAIN is")
        if name != plain and "--dns" not in content(ROOT / ACME_FILE):
            problem = f"DOMAIN has {name}: for such a name authorities ask DNS alone"
            raise Failure(problem, f"put --dns=PROVIDER into CHALLENGE in {ACME_FILE}; docs/production.md")


def services():
    """Return the services that run on: the stack's own in the order of starting, then those that were added."""
    running = [name for name, service in model()["services"].items() if not is_job(service)]
    return sorted(running, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def awaited():
    """Return the services without which the site is not up. acme tries again by itself, and the site goes on."""
    return [name for name in services() if name != "acme"]


def is_job(service):
    return service.get("deploy", {}).get("mode", "").endswith("-job")


def uses_database(service):
    return bool({"POSTGRES_HOST", "MYSQL_HOST"} & set(service.get("environment") or {}))


def users():
    """Return the services that run on and use the database."""
    return [name for name in services() if uses_database(model()["services"][name])]


def stack():
    return environment()["STACK_NAME"]


def files():
    """Return the Compose files that make up production, the later laid over the earlier."""
    return [FILE, ACME_FILE] if domains() else [FILE]


def compose(*words):
    return ["docker", "compose", "--project-name", stack(), *(f"--file={file}" for file in files()), *words]


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


def has_tls():
    return bool(has_certificate() or domains())


def make_secrets():
    """Create the missing files of secrets/, and write the addresses with a password that are in .env."""
    check_domain()
    SECRETS.mkdir(mode=0o700, exist_ok=True)
    contents = {
        chosen().secret: secrets.token_urlsafe(24),
        "secret_key": secrets.token_urlsafe(50),
        "tls_certificate": NO_CERTIFICATE.format("certificate and its chain"),
        "tls_key": NO_CERTIFICATE.format("key of the certificate"),
        # A secret of a stack cannot be empty.
        **dict.fromkeys(ADDRESSES, "\n"),
    }
    if domains():
        contents["acme_password"] = secrets.token_urlsafe(24)
    for name, default in contents.items():
        path = SECRETS / name
        given = environment().get(name.upper()) if name in ADDRESSES else ""
        if given and content(path) != given:
            path.write_text(given)
        elif not path.exists():
            path.write_text(default)
            # Other users read it, in the containers. The mode of the folder keeps out the others of this machine.
            path.chmod(0o644)
    if environment()["DOMAIN"] and has_certificate():
        say(f"{SECRETS.name}/tls_certificate is used, so none is asked for {environment()['DOMAIN']}")
    elif not domains() and not has_certificate():
        say(f"no DOMAIN in .env and no certificate in {SECRETS.name}/tls_certificate: HTTP only")


def address():
    env = environment()
    scheme, name, usual = ("https", "HTTPS_PORT", "443") if has_tls() else ("http", "HTTP_PORT", "80")
    host = (env["DOMAIN"] or env.get("ALLOWED_HOSTS") or "localhost").split(",")[0].strip().lstrip("*.")
    port = env.get(name) or usual
    return f"{scheme}://{host}" + ("" if port == usual else f":{port}") + "/"
