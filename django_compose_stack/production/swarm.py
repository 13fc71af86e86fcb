"""Asks the Swarm about the stack, and waits for it."""

import json
import subprocess
import sys

from django_compose_stack.host.process import Failure, wait_until
from django_compose_stack.production.engine import must, output, run, stack
from django_compose_stack.services.database import chosen

ENDED = ("complete", "failed", "rejected")
GRACE = "StopGracePeriod"
TIMEOUT = 960  # seconds for a migration, whose statements have 900, and for a release to come up


def check():
    """Raise Failure if the engine manages no Swarm. Label the node for the database if no node has the label yet."""
    swarm = json.loads(output("docker", "info", "--format", "{{json .Swarm}}") or "{}")
    if not swarm.get("ControlAvailable"):
        raise Failure("this engine manages no Swarm, which a deploy needs, on one machine too", "docker swarm init")
    nodes = json.loads(output("docker", "node", "inspect", *output("docker", "node", "ls", "--quiet").split()))
    label = chosen().name
    if not any(node["Spec"]["Labels"].get(label) == "here" for node in nodes):
        must("docker", "node", "update", f"--label-add={label}=here", swarm["NodeID"], stdout=subprocess.DEVNULL)


def inspect(service):
    """Return what the engine knows about a service of the stack; empty if there is no such service."""
    found = output("docker", "service", "inspect", f"{stack()}_{service}")
    return json.loads(found)[0] if found else {}


def tasks(service, *filters):
    """Return the tasks of a service, newest first."""
    ids = output("docker", "service", "ps", "--quiet", "--no-trunc", *filters, f"{stack()}_{service}").split()
    found = json.loads(output("docker", "inspect", "--type=task", *ids) or "[]") if ids else []
    return sorted(found, key=lambda task: task["CreatedAt"], reverse=True)


def image(service):
    """Return the image of a service, as `inspect` returns it; empty if there is no such service."""
    return service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] if service else ""


def serving():
    """Return the version that web serves; None if no stack runs."""
    return image(inspect("web")).rpartition(":")[2] or None


def is_up(name):
    """Return whether enough tasks of a service run, all of them as the service is specified now."""

    def essence(template):
        # A task's copy lacks the empty fields, and this one where it is the engine's default.
        return {field: value for field, value in template["ContainerSpec"].items() if value and field != GRACE}

    spec = inspect(name)["Spec"]
    running = tasks(name, "--filter=desired-state=running")
    wanted = spec["Mode"].get("Replicated", {}).get("Replicas", 1)
    return len(running) >= wanted and all(
        task["Status"]["State"] == "running" and essence(task["Spec"]) == essence(spec["TaskTemplate"])
        for task in running
    )


def ended(job):
    """Return a task of the last run of a job, a failed one if there is any; None until the run has ended."""
    iteration = inspect(job).get("JobStatus", {}).get("JobIteration")
    last = [task for task in tasks(job) if task.get("JobIteration") == iteration]
    if not last or any(task["Status"]["State"] not in ENDED for task in last):
        return None
    return next((task for task in last if task["Status"]["State"] != "complete"), last[0])


def wait(done, problem):
    """Call done() until it returns something true, and return that. Raises Failure with the problem after TIMEOUT."""
    result = wait_until(done, TIMEOUT, 0.5)
    if not result:
        raise Failure(f"{problem} within {TIMEOUT} s", f"look at: docker stack ps --no-trunc {stack()}")
    return result


def show_end(problem, task):
    """Print what went wrong, and the last log lines of the task."""
    # A task that was stopped because it was unhealthy, and ended well, has no error.
    reason = task["Status"].get("Err") or "it was unhealthy"
    print(f"stack: {problem}: {reason}. Last log lines:", file=sys.stderr)
    run("docker", "service", "logs", "--raw", "--tail=20", task["ID"], stdout=sys.stderr)
