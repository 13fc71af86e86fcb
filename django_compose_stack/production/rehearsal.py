"""Production with Compose, as a rehearsal or on one host, and commands in the containers of production."""

import subprocess
import sys

from django_compose_stack.host.process import Failure, wait_until
from django_compose_stack.host.project import ROOT
from django_compose_stack.production import certificates, engine, swarm
from django_compose_stack.production.files import bring

# Services that end, and what to say if they fail.
JOBS = {
    "migrate": "the migration failed, and web waits until it succeeds",
    "nginx-files": "Nginx refuses its files and keeps its previous ones",
}
# A container without a health check is well while it runs.
STATE = '{{.Id}} {{index .Config.Labels "com.docker.compose.service"}}'
STATE += " {{with .State.Health}}{{.Status}}{{else}}{{.State.Status}}{{end}} {{.RestartCount}}"
WELL = {"healthy", "running"}
TRIES = 3  # times that a container ends before it is healthy


def up():
    bring()
    engine.make_secrets()
    if swarm.serving():
        problem = f"{engine.stack()} runs as a stack, whose networks have the same names"
        raise Failure(problem, f"docker stack rm {engine.stack()}")
    with engine.changing("prod-up"):
        certificates.retry()
        engine.must(*engine.compose("up", "--build", "--detach", "--remove-orphans"))
        for job, outcome in JOBS.items():
            if engine.output("docker", "wait", engine.output(*engine.compose("ps", "--all", "--quiet", job))) != "0":
                engine.run(*engine.compose("logs", "--no-log-prefix", job))
                raise Failure(f"{outcome}, see above", "correct it, then: make prod-up")
        await_health()
        certificates.await_first()
    print(f"Running at {engine.address()}")


def states():
    """Return [container, service, state, times that it was started again] of what runs on."""
    ids = engine.output(*engine.compose("ps", "--all", "--quiet", *engine.awaited())).split()
    return [line.split() for line in engine.output("docker", "inspect", f"--format={STATE}", *ids).splitlines()]


def await_health():
    """Wait until all containers are healthy. Raises Failure if one is not, or ends again and again."""
    before = {container: int(restarts) for container, _, _, restarts in states()}

    def settled():
        now = states()
        for container, service, state, restarts in now:
            is_looping = int(restarts) - before.get(container, 0) >= TRIES
            if state == "unhealthy" or (is_looping and state != "healthy"):
                return container, service, "is unhealthy" if state == "unhealthy" else "does not start"
        return {state for _, _, state, _ in now} <= WELL

    found = wait_until(settled, swarm.TIMEOUT, 0.5)
    if not found:
        raise Failure(f"production is not healthy after {swarm.TIMEOUT} s", "look at: make ps MODE=production")
    if found is not True:
        container, service, problem = found
        engine.run("docker", "logs", "--tail=20", container, stdout=sys.stderr)
        raise Failure(f"{service} {problem}; the last lines of its log are above", "correct it, then: make prod-up")


def execute(service, *words):
    flags = ["--interactive", "--tty"] if sys.stdin.isatty() else ["--interactive"]
    engine.must("docker", "exec", *flags, engine.container(service), *words)


def ps():
    swarm_ps = ["docker", "stack", "ps", "--filter=desired-state=running", engine.stack()]
    engine.must(*(swarm_ps if swarm.serving() else engine.compose("ps")))
    certificates.report()


def logs(*flags):
    commands = [engine.compose("logs", *flags)]
    if swarm.serving():
        log = ["docker", "service", "logs", "--tail=100", *flags]
        commands = [[*log, f"{engine.stack()}_{service}"] for service in engine.services()]
    readers = [subprocess.Popen(command, cwd=ROOT, env=engine.environment()) for command in commands]
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
    if swarm.serving():
        engine.must("docker", "service", "update", "--force", "--quiet", f"{engine.stack()}_{service}")
    else:
        engine.must(*engine.compose("restart", service))


def pass_on(*words):
    engine.must(*engine.compose(*words))
