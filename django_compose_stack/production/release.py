"""Brings versions of compose.prod.yaml to the Swarm that the engine manages. See docs/production.md."""

import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import ROOT
from django_compose_stack.production import swarm
from django_compose_stack.production.engine import (
    FILE,
    SECRETS,
    address,
    changing,
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
from django_compose_stack.production.swarm import inspect, serving, tasks, wait

TRIES = 3  # failed tasks of one service, where there is nothing that the engine could roll back to
KEPT = 10  # releases whose images stay
HISTORY = "django-compose-stack.releases"  # the label of web with the versions that served, newest first
SERVING = ("db", "web", "nginx")


def image(version):
    return f"{environment()['IMAGE']}:{version}"


def versions():
    """Return (when built, version) of each image of this project that the engine has, newest first."""
    listed = output("docker", "image", "ls", "--format", "{{.CreatedAt}}\t{{.Tag}}", environment()["IMAGE"])
    return sorted((line.split("\t") for line in listed.splitlines()), key=lambda entry: entry[1], reverse=True)


# --- Before anything is changed


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
        problem = f"Nginx refuses its files, so nothing was changed:\n{done.stdout.decode().strip()}"
        raise Failure(problem, "correct nginx/ or secrets/, then run this again")


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
    wanted = {name: text for name, text in service["environment"].items() if text is not None}
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
        swarm.show_end("the migration failed", task)
        raise Failure(f"{version} was not deployed; {serving()} is what web serves", "correct it, then: make deploy")


def history(version):
    """Return the versions that served, newest first, as they are with this one: what it replaces or goes back to."""
    known = inspect("web").get("Spec", {}).get("Labels", {}).get(HISTORY, "").split()
    now = serving()
    if version in known:
        return known
    # What was rolled back from is left out, so that nobody rolls back to it.
    return [version, *(known[known.index(now) :] if now in known else filter(None, [now]))][:KEPT]


def write_overlay(folder, version):
    """Write a Compose file with the names of secrets and configs, and what only a release knows; return its path."""
    services = {"web": {"deploy": {"labels": {HISTORY: " ".join(history(version))}}}}
    path = Path(folder) / "release.json"
    path.write_text(json.dumps({"services": services, **{kind: named(kind) for kind in ("configs", "secrets")}}))
    return path


def release(version):
    """Make the stack what compose.prod.yaml says, with that version; exit where a service does not come up."""
    before = {name: inspect(name).get("UpdateStatus", {}).get("StartedAt") for name in SERVING}
    known = {task["ID"] for name in SERVING for task in tasks(name)}
    with tempfile.TemporaryDirectory() as folder:
        files = [f"--compose-file={FILE}", f"--compose-file={write_overlay(folder, version)}"]
        command = ["docker", "stack", "deploy", "--detach=true", "--resolve-image=never", "--with-registry-auth"]
        must(*command, *files, stack(), env={**environment(), "VERSION": version}, stdout=subprocess.DEVNULL)

    def failed(name):
        ended = ("complete", "failed", "rejected")
        return [task for task in tasks(name) if task["ID"] not in known and task["Status"]["State"] in ended]

    def settled():
        """Return (service, how it ended), the service None if all is well; None while it goes on."""
        for name in SERVING:
            update = inspect(name).get("UpdateStatus", {})
            # It is absent before the engine begins, and stays so where nothing changes: is_up tells them apart.
            if not update or update.get("StartedAt") == before[name]:
                if len(failed(name)) >= TRIES:
                    return name, "and the engine tries on"
            elif update["State"] in ("paused", "rollback_completed", "rollback_paused"):
                return name, update["State"].replace("_", " ")
            elif update["State"] != "completed":
                return None
        return (None, "") if all(swarm.is_up(name) for name in SERVING) else None

    name, outcome = wait(settled, f"{version} has not come up")
    if name:
        task = (failed(name) or tasks(name))[0]
        swarm.show_end(f"{name} of {version} did not become healthy", task)
        raise Failure(f"{serving()} is what web serves ({outcome})", "correct it, then: make deploy")
    if serving() != version:
        raise Failure(f"{serving()} serves now, not {version}: something else has changed the stack", "make releases")
    print(f"{version} serves at {address()}")


def deploy():
    bring()
    swarm.check()
    make_secrets()
    with changing("deploy"):
        check_nginx()
        version = new_version()
        build(version)
        if serving():
            migrate(version)
        release(version)
        forget_old()


def rollback(version=None):
    bring()
    swarm.check()
    make_secrets()
    with changing("rollback"):
        check_nginx()
        release(available(version or version_before()))


def version_before():
    """Return the version that served before the one that serves."""
    versions, now = history(serving()), serving()
    older = versions[versions.index(now) + 1 :] if now else []
    if not older:
        raise Failure("there is no version before this one", "name one of `make releases`: make rollback VERSION=…")
    return older[0]


def available(version):
    """Return the version; exit where the engine has no image of it."""
    if not output("docker", "image", "inspect", image(version)):
        raise Failure(f"there is no image {image(version)}", "name one of: make releases")
    return version


def show():
    now = serving()
    for built, version in versions():
        print(f"{built[:19]}  {version}{'  serves' if version == now else ''}")
