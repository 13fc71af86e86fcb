"""Production with Compose, as a rehearsal or on one host, and commands in the containers of production."""

import subprocess
import sys

from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import ROOT
from django_compose_stack.production.engine import (
    address,
    changing,
    compose,
    container,
    environment,
    make_secrets,
    must,
    output,
    run,
    stack,
)
from django_compose_stack.production.files import bring
from django_compose_stack.production.swarm import serving

# Services that end, and what to say if they fail.
JOBS = {
    "migrate": "the migration failed, and web waits until it succeeds",
    "nginx-files": "Nginx refuses its files and keeps its previous ones",
}


def up():
    bring()
    make_secrets()
    if serving():
        raise Failure(f"{stack()} runs as a stack, whose networks have the same names", "docker stack rm " + stack())
    with changing("prod-up"):
        must(*compose("up", "--build", "--detach", "--remove-orphans"))
        for job, outcome in JOBS.items():
            if output("docker", "wait", output(*compose("ps", "--all", "--quiet", job))) != "0":
                run(*compose("logs", "--no-log-prefix", job))
                raise Failure(f"{outcome}, see above", "correct it, then: make prod-up")
        must(*compose("up", "--detach", "--no-recreate", "--wait", "db", "web", "nginx"))
    print(f"Running at {address()}")


def execute(service, *words):
    flags = ["--interactive", "--tty"] if sys.stdin.isatty() else ["--interactive"]
    must("docker", "exec", *flags, container(service), *words)


def ps():
    must(*(["docker", "stack", "ps", "--filter=desired-state=running", stack()] if serving() else compose("ps")))


def logs(*flags):
    commands = [compose("logs", *flags)]
    if serving():
        log = ["docker", "service", "logs", "--tail=100", *flags]
        commands = [[*log, f"{stack()}_{service}"] for service in ("db", "web", "nginx")]
    readers = [subprocess.Popen(command, cwd=ROOT, env=environment()) for command in commands]
    try:
        status = max(reader.wait() for reader in readers)
    except KeyboardInterrupt:
        status = 130
    finally:
        for reader in readers:
            reader.terminate()
            reader.wait()
    sys.exit(status)


def restart(service):
    if serving():
        must("docker", "service", "update", "--force", "--quiet", f"{stack()}_{service}")
    else:
        must(*compose("restart", service))


def pass_on(*words):
    must(*compose(*words))
