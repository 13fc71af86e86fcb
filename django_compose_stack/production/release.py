"""Brings versions of compose.prod.yaml to the Swarm that the engine manages. See docs/production.md."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from django_compose_stack.host.process import die
from django_compose_stack.host.project import ROOT
from django_compose_stack.production.engine import (
    FILE,
    SECRETS,
    address,
    compose,
    environment,
    make_secrets,
    model,
    must,
    output,
    run,
    stack,
)
from django_compose_stack.production.files import bring

PATIENCE = 960  # seconds for a migration, whose statements have 900, and for a release to come up
TRIES = 3  # failed tasks of one service, where there is nothing that the engine could roll back to
KEPT = 10  # releases whose images stay
SERVING = ("db", "web", "nginx")


def image(version):
    return f"{environment()['IMAGE']}:{version}"


# --- What the engine says


def inspect(service):
    """Return what the engine knows of a service of the stack; empty where it is not there."""
    found = output("docker", "service", "inspect", f"{stack()}_{service}")
    return json.loads(found)[0] if found else {}


def tasks(service, *filters):
    """Return the tasks of a service, newest first."""
    ids = output("docker", "service", "ps", "--quiet", "--no-trunc", *filters, f"{stack()}_{service}").split()
    found = json.loads(output("docker", "inspect", "--type=task", *ids) or "[]") if ids else []
    return sorted(found, key=lambda task: task["CreatedAt"], reverse=True)


def version_of(spec):
    return spec["TaskTemplate"]["ContainerSpec"]["Image"].rpartition(":")[2]


def serving():
    """Return the version that web serves; None where there is no stack."""
    service = inspect("web")
    return version_of(service["Spec"]) if service else None


def versions():
    """Return (when built, version) of each image of this project that the engine has, newest first."""
    listed = output("docker", "image", "ls", "--format", "{{.CreatedAt}}\t{{.Tag}}", environment()["IMAGE"])
    return sorted((line.split("\t") for line in listed.splitlines()), key=lambda entry: entry[1], reverse=True)


def is_up(name):
    """Say whether a service runs as often as it should, and every task of it as it is specified now."""

    def essence(template):
        # A task's copy lacks the empty fields.
        return {field: value for field, value in template["ContainerSpec"].items() if value}

    spec = inspect(name)["Spec"]
    running = tasks(name, "--filter=desired-state=running")
    wanted = spec["Mode"].get("Replicated", {}).get("Replicas", 1)
    return len(running) >= wanted and all(
        task["Status"]["State"] == "running" and essence(task["Spec"]) == essence(spec["TaskTemplate"])
        for task in running
    )


def wait(done, problem):
    """Call done() until it returns something true, and return that; exit with the problem after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not (result := done()):
        if time.monotonic() > deadline:
            die(f"{problem} within {PATIENCE} s. See: docker stack ps --no-trunc {stack()}")
        time.sleep(0.5)
    return result


def give_up(problem, task, outcome):
    """Exit with what went wrong, the last log lines of the task, and what serves now."""
    # A task that ends well when it is told to end has no error, though it was told so for its health.
    reason = task["Status"].get("Err") or "it was unhealthy"
    print(f"stack: {problem}: {reason}. Last log lines:", file=sys.stderr)
    run("docker", "service", "logs", "--raw", "--tail=20", task["ID"], stdout=sys.stderr)
    die(outcome)


# --- Before anything is changed


def check_swarm():
    swarm = json.loads(output("docker", "info", "--format", "{{json .Swarm}}") or "{}")
    if not swarm.get("ControlAvailable"):
        die("this engine manages no Swarm, which a deploy needs, on one machine too. Once: docker swarm init")
    nodes = json.loads(output("docker", "node", "inspect", *output("docker", "node", "ls", "--quiet").split()))
    if not any(node["Spec"]["Labels"].get("postgres") == "here" for node in nodes):
        must("docker", "node", "update", "--label-add=postgres=here", swarm["NodeID"], stdout=subprocess.DEVNULL)


def check_nginx():
    """Exit where Nginx would not start with the files of nginx/ and secrets/; by stdin they reach any engine."""
    service = model()["services"]["nginx"]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(ROOT / "nginx", "etc/nginx/stack")
        for name in ("tls_certificate", "tls_key"):
            tar.add(SECRETS / name, f"run/secrets/{name}")
    command = ["docker", "run", "--rm", "--interactive", "--network=none"]
    command += [f"--env={name}={value}" for name, value in service["environment"].items()]
    command += [service["image"], "sh", "-c", "tar -x -C / && sh /etc/nginx/stack/start check"]
    done = run(*command, input=archive.getvalue(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        die(f"Nginx refuses its files, so nothing was changed:\n{done.stdout.decode().strip()}")


def new_version():
    """Name a release: its time, which sorts, and its commit, and whether files differ from that."""
    commit = output("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = output("git", "status", "--porcelain")
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{commit}{'-changed' if changed else ''}"


def build(version):
    revision = output("git", "rev-parse", "HEAD") or "unknown"
    must(*compose("build", "--quiet", "web"), env={**environment(), "VERSION": version, "REVISION": revision})
    registry = environment()["IMAGE"].partition("/")[0]
    if "." in registry or ":" in registry:
        must("docker", "push", "--quiet", image(version))


def forget_old():
    """Remove the images of old releases. What ended of them is removed first: the engine keeps each job's container."""
    for _, old in versions()[KEPT:]:
        ended = output("docker", "ps", "--all", "--quiet", "--filter=status=exited", f"--filter=ancestor={image(old)}")
        if ended:
            output("docker", "rm", *ended.split())
        output("docker", "image", "rm", image(old))


# --- The change


def named(kind):
    """Return the secrets or configs by name, each called after its content, because a stack cannot change one."""
    entries = {}
    for name, entry in model()[kind].items():
        digest = hashlib.sha256(Path(entry["file"]).read_bytes()).hexdigest()[:12]
        entries[name] = {"file": entry["file"], "name": f"{stack()}_{name}_{digest}"}
    return entries


def variables_of_now(service, present):
    """Return the flags that make the variables of a service those of compose.prod.yaml as it is now."""
    # Compose doubles each $ in what it prints, for whoever reads it as a Compose file again.
    wanted = {name: text.replace("$$", "$") for name, text in service["environment"].items() if text is not None}
    # A stack also lists the names of variables that are not set.
    present = dict(entry.split("=", 1) for entry in present if "=" in entry)
    flags = [f"--env-rm={name}" for name in present.keys() - wanted.keys()]
    for name, text in wanted.items():
        if present.get(name) != text:
            # What comes from the environment is left to it, because everybody may read a command line.
            flags.append(f"--env-add={name}" if environment().get(name) == text else f"--env-add={name}={text}")
    return flags


def secrets_of_now(service, present):
    """Return the flags that make the secrets of a service those of secrets/; make those that the engine lacks."""
    entries = named("secrets")
    wanted = {}
    for use in service["secrets"]:
        entry = entries[use["source"]]
        # As `docker stack deploy` writes it: relative to that folder.
        wanted[entry["name"]] = use.get("target", use["source"]).removeprefix("/run/secrets/")
        if not output("docker", "secret", "inspect", entry["name"]):
            create = ["docker", "secret", "create", f"--label=com.docker.stack.namespace={stack()}"]
            must(*create, entry["name"], entry["file"], stdout=subprocess.DEVNULL)
    present = {secret["SecretName"] for secret in present}
    flags = [f"--secret-rm={name}" for name in present - wanted.keys()]
    return flags + [f"--secret-add=source={name},target={wanted[name]}" for name in wanted.keys() - present]


def migrate(version):
    """Migrate with the new image, and what it is given now, while the old one serves; exit where that fails."""
    service = model()["services"]["migrate"]
    spec = inspect("migrate")["Spec"]["TaskTemplate"]["ContainerSpec"]
    flags = variables_of_now(service, spec.get("Env", [])) + secrets_of_now(service, spec.get("Secrets", []))
    update = ["docker", "service", "update", "--detach", "--quiet", "--no-resolve-image", "--force", *flags]
    must(*update, "--image", image(version), f"{stack()}_migrate", stdout=subprocess.DEVNULL)

    def ended():
        iteration = inspect("migrate")["JobStatus"]["JobIteration"]
        for task in tasks("migrate"):
            if task["JobIteration"] == iteration and task["Status"]["State"] in ("complete", "failed", "rejected"):
                return task

    task = wait(ended, "the migration has not ended")
    if task["Status"]["State"] != "complete":
        give_up("the migration failed", task, f"{version} was not deployed; {serving()} is what web serves")


def write_names(folder):
    """Write a Compose file with the names of the secrets and configs; return its path."""
    path = Path(folder) / "names.json"
    path.write_text(json.dumps({kind: named(kind) for kind in ("configs", "secrets")}))
    return path


def release(version):
    """Make the stack what compose.prod.yaml says, with that version; exit where a service does not come up."""
    before = {name: inspect(name).get("UpdateStatus", {}).get("StartedAt") for name in SERVING}
    known = {task["ID"] for name in SERVING for task in tasks(name)}
    with tempfile.TemporaryDirectory() as folder:
        files = [f"--compose-file={FILE}", f"--compose-file={write_names(folder)}"]
        command = ["docker", "stack", "deploy", "--detach=true", "--resolve-image=never", "--with-registry-auth"]
        must(*command, *files, stack(), env={**environment(), "VERSION": version}, stdout=subprocess.DEVNULL)

    def failed(name):
        ended = ("complete", "failed", "rejected")
        return [task for task in tasks(name) if task["ID"] not in known and task["Status"]["State"] in ended]

    def settled():
        """Return (service, how it ended), the service None if all is well; None while it goes on."""
        for name in SERVING:
            update = inspect(name).get("UpdateStatus", {})
            if update.get("StartedAt") == before[name]:
                if len(failed(name)) >= TRIES:
                    return name, "and the engine tries on"
            elif update["State"] in ("paused", "rollback_completed", "rollback_paused"):
                return name, update["State"].replace("_", " ")
            elif update["State"] != "completed":
                return None
        return (None, "") if all(is_up(name) for name in SERVING) else None

    name, outcome = wait(settled, f"{version} has not come up")
    if name:
        task = (failed(name) or tasks(name))[0]
        give_up(f"{name} of {version} did not become healthy", task, f"{serving()} is what web serves ({outcome})")
    print(f"{version} serves at {address()}")


def deploy():
    bring()
    check_swarm()
    make_secrets()
    check_nginx()
    version = new_version()
    build(version)
    if serving():
        migrate(version)
    release(version)
    forget_old()


def rollback(version=None):
    check_swarm()
    make_secrets()
    check_nginx()
    if version is None:
        previous = inspect("web").get("PreviousSpec")
        if not previous or version_of(previous) == serving():
            die("there is no version before this one. Name one of `make releases`: make rollback VERSION=…")
        version = version_of(previous)
    if not output("docker", "image", "inspect", image(version)):
        die(f"there is no image {image(version)}. See: make releases")
    release(version)


def show():
    now = serving()
    for built, version in versions():
        print(f"{built[:19]}  {version}{'  serves' if version == now else ''}")

