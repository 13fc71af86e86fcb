"""Deploys versions to the Swarm that the engine manages. See docs/production.md."""

import contextlib
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
from django_compose_stack.production import certificates, engine, swarm
from django_compose_stack.production.files import bring

TRIES = 3  # failed tasks of one service, where there is nothing that the engine could roll back to
REFUSALS = 30  # seconds in which the engine may refuse to begin the tasks of a stack's first release
KEPT = 10  # releases whose images stay
HISTORY = "django-compose-stack.releases"  # the label of web with the versions that served, newest first


def image(version):
    return f"{engine.environment()['IMAGE']}:{version}"


def versions():
    """Return (build time, version) of each image of this project that the engine has, newest first."""
    listed = engine.output(
        "docker", "image", "ls", "--format", "{{.CreatedAt}}\t{{.Tag}}", engine.environment()["IMAGE"]
    )
    return sorted((line.split("\t") for line in listed.splitlines()), key=lambda entry: entry[1], reverse=True)


# --- Before anything is changed


def check_nginx():
    """Raise Failure if Nginx would not start with nginx/ and secrets/. By standard input they reach any engine."""
    service = engine.model()["services"]["nginx-files"]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(ROOT / "nginx", "etc/nginx/stack")
        for name in ("tls_certificate", "tls_key"):
            tar.add(engine.SECRETS / name, f"run/secrets/{name}")
    command = ["docker", "run", "--rm", "--interactive", "--network=none"]
    command += [f"--env={name}={value}" for name, value in service["environment"].items() if value is not None]
    command += [f"--tmpfs={volume['target']}" for volume in service["volumes"] if volume["type"] == "tmpfs"]
    command += [service["image"], "sh", "-c", "tar -x -C / && sh /etc/nginx/stack/start check"]
    done = engine.run(*command, input=archive.getvalue(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        problem = f"Nginx refuses its files, so nothing was changed:\n{done.stdout.decode().strip()}"
        raise Failure(problem, "correct nginx/ or secrets/, then run this again")


def new_version():
    """Return the name of a new release: the time, which sorts, the commit, and whether files differ from it."""
    commit = engine.output("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = engine.output("git", "status", "--porcelain")
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{commit}{'-changed' if changed else ''}"


def build(version):
    revision = engine.output("git", "rev-parse", "HEAD") or "unknown"
    env = engine.environment()
    engine.must(*engine.compose("build", "--quiet", "web"), env={**env, "VERSION": version, "REVISION": revision})
    registry = env["IMAGE"].partition("/")[0]
    if "." in registry or ":" in registry:
        engine.must("docker", "push", "--quiet", image(version))


def forget_old():
    """Remove the images of old releases, and before that their ended containers: the engine keeps each job's."""
    for _, old in versions()[KEPT:]:
        filters = ["--filter=status=exited", f"--filter=ancestor={image(old)}"]
        ended = engine.output("docker", "ps", "--all", "--quiet", *filters)
        if ended:
            engine.output("docker", "rm", *ended.split())
        engine.output("docker", "image", "rm", image(old))


def forget_unused():
    """Remove the secrets and configs of earlier releases, such as old passwords. The engine keeps what is in use."""
    label = f"--filter=label=com.docker.stack.namespace={engine.stack()}"
    for kind in ("secret", "config"):
        now = {entry["name"] for entry in named(f"{kind}s").values()}
        for old in set(engine.output("docker", kind, "ls", label, "--format={{.Name}}").split()) - now:
            engine.output("docker", kind, "rm", old)


# --- The change


def named(kind):
    """Return the secrets or configs by name, with a digest of the content: a stack cannot change one of them."""
    entries = {}
    for name, entry in engine.model()[kind].items():
        digest = hashlib.sha256(Path(entry["file"]).read_bytes()).hexdigest()[:12]
        entries[name] = {"file": entry["file"], "name": f"{engine.stack()}_{name}_{digest}"}
    return entries


def stack_deploy(version, content, *files):
    """Deploy the stack of these Compose files, with the content, also of a Compose file, laid over them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "release.json"
        # Compose takes $$ for a dollar sign.
        path.write_text(json.dumps(content).replace("$", "$$"))
        options = [f"--compose-file={file}" for file in (*files, path)]
        command = ["docker", "stack", "deploy", "--detach=true", "--resolve-image=never", "--with-registry-auth"]
        env = {**engine.environment(), "VERSION": version}
        engine.must(*command, *options, engine.stack(), env=env, stdout=subprocess.DEVNULL)


def migrate(version):
    """Migrate with the new image and its present settings, while the old one serves. Raises Failure if that fails."""
    service = {**engine.model()["services"]["migrate"], "image": image(version)}
    # Compose also prints what is not set, and a stack refuses null.
    service = {name: value for name, value in service.items() if value is not None}
    alone = {"services": {"migrate": service}, "networks": engine.model()["networks"], "secrets": named("secrets")}
    stack_deploy(version, alone)
    task = swarm.wait(lambda: swarm.ended("migrate"), "the migration has not ended")
    if task["Status"]["State"] != "complete":
        swarm.show_end("the migration failed", task)
        raise Failure(
            f"{version} was not deployed; {swarm.serving()} is what web serves", "correct it, then: make deploy"
        )


def history(version):
    """Return the versions that served, newest first, once this one does: a new one, or one to go back to."""
    known = swarm.inspect("web").get("Spec", {}).get("Labels", {}).get(HISTORY, "").split()
    now = swarm.serving()
    if version in known:
        return known
    # Without versions that were rolled back, so that nobody returns to them.
    return [version, *(known[known.index(now) :] if now in known else filter(None, [now]))][:KEPT]


def attempt(version, content, before):
    """Deploy it and wait for the end. Return (service, its last task, how that ended) of one that failed, or Nones.

    before: what the engine knew about each service.
    """
    known = {task["ID"] for name in before for task in swarm.tasks(name)}
    jobs = {"nginx-files": "and Nginx keeps its previous files"}  # and what it means where one fails
    if not before["web"]:  # After the first release, a run of its own has migrated.
        jobs = {"migrate": "without its migrations", **jobs}
    stack_deploy(version, content, *engine.files())
    if not engine.domains() and swarm.inspect("acme"):
        engine.must("docker", "service", "rm", f"{engine.stack()}_acme", stdout=subprocess.DEVNULL)

    def failed(name):
        return [
            task for task in swarm.tasks(name) if task["ID"] not in known and task["Status"]["State"] in swarm.ENDED
        ]

    def settled():
        """Return what `attempt` returns; None while the update runs."""
        for name in before:
            update = swarm.inspect(name).get("UpdateStatus", {})
            # It is missing until the engine begins, and for good if nothing changes: is_up tells the two apart.
            if not update or update.get("StartedAt") == before[name].get("UpdateStatus", {}).get("StartedAt"):
                if len(failed(name)) >= TRIES:
                    return name, failed(name)[0], "and the engine keeps trying"
            elif update["State"] in ("paused", "rollback_completed", "rollback_paused"):
                return name, (failed(name) or swarm.tasks(name))[0], update["State"].replace("_", " ")
            elif update["State"] != "completed":
                return None
        runs = {job: swarm.ended(job) for job in jobs}
        for job, run in runs.items():
            if run and run["Status"]["State"] != "complete":
                return job, run, jobs[job]
        return (None, None, None) if all(runs.values()) and all(swarm.is_up(name) for name in before) else None

    return swarm.wait(settled, f"{version} did not start")


def release(version):
    """Make the stack what compose.prod.yaml says, in that version. Raises Failure if a service does not start."""
    before = {name: swarm.inspect(name) for name in engine.awaited()}
    services = {
        "web": {"deploy": {"labels": {HISTORY: " ".join(history(version))}}},
        # It has already run. If there is no stack yet, this is its only run.
        "migrate": {"deploy": {"replicas": 0 if before["web"] else 1}},
    }
    content = {"services": services, "configs": named("configs"), "secrets": named("secrets")}
    certificates.retry()
    name, task, outcome = attempt(version, content, before)
    end = time.monotonic() + REFUSALS
    # A new network may get the addresses of one that a node is about to remove. The engine then refuses its tasks for
    # a moment, and begins a refused job never again by itself.
    while name and task["Status"]["State"] == "rejected" and not before["web"] and time.monotonic() < end:
        name, task, outcome = attempt(version, content, before)
    if name:
        swarm.show_end(f"{name} of {version} did not become healthy", task)
        take_back(before)
        raise Failure(f"{swarm.serving()} is what web serves ({outcome})", "correct it, then: make deploy")
    if swarm.serving() != version:
        raise Failure(
            f"{swarm.serving()} serves now, not {version}: something else has changed the stack", "make releases"
        )
    forget_unused()
    certificates.await_first()
    print(f"{version} serves at {engine.address()}")


def take_back(before):
    """Have the services that came up with a failed release run what they ran before: all of one version, or none.

    before: what the engine knew about each service. The engine itself takes back the one that failed, and no other.
    """
    if not before["web"]:
        return
    for name, service in before.items():
        now = swarm.inspect(name)
        if not service and now:
            engine.run("docker", "service", "rm", f"{engine.stack()}_{name}", stdout=subprocess.DEVNULL)
        elif swarm.image(now) != swarm.image(service) and now.get("PreviousSpec"):
            command = ["docker", "service", "rollback", "--detach", "--quiet", f"{engine.stack()}_{name}"]
            engine.run(*command, stdout=subprocess.DEVNULL)
    known = [name for name, service in before.items() if service]
    swarm.wait(lambda: all(swarm.is_up(name) for name in known), "the version before did not come back")


@contextlib.contextmanager
def prepared(command):
    """Check and make what a release needs, and hold the lock of this production."""
    bring()
    swarm.check()
    if not swarm.serving() and engine.output(*engine.compose("ps", "--quiet")):
        raise Failure(f"{engine.stack()} runs as a rehearsal, whose networks have the same names", "make prod-down")
    engine.make_secrets()
    with engine.changing(command):
        check_nginx()
        yield


def deploy():
    with prepared("deploy"):
        version = new_version()
        build(version)
        if swarm.serving():
            migrate(version)
        release(version)
        forget_old()


def rollback(version=None):
    with prepared("rollback"):
        version = version or version_before()
        if not engine.output("docker", "image", "inspect", image(version)):
            raise Failure(f"there is no image {image(version)}", "name one of: make releases")
        release(version)


def version_before():
    """Return the version that served before the one that serves."""
    versions, now = history(swarm.serving()), swarm.serving()
    older = versions[versions.index(now) + 1 :] if now else []
    if not older:
        raise Failure("there is no version before this one", "name one of `make releases`: make rollback VERSION=…")
    return older[0]


def show():
    now = swarm.serving()
    for built, version in versions():
        print(f"{built[:19]}  {version}{'  serves' if version == now else ''}")
