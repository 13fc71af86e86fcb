"""Moves to another major version of Postgres, whose data is in the same volume beside the present data."""

import re
import subprocess
import sys

from django_compose_stack.data.backups import backup, shown
from django_compose_stack.data.server import VOLUME, Server, identifier, inside
from django_compose_stack.host import dotfile
from django_compose_stack.host.process import Failure, must_output, output, run, say, wait_until
from django_compose_stack.host.project import ROOT

START = 120  # seconds for a new server to accept connections
MARK = f"{VOLUME}/upgrade"  # holds the target version of the upgrade in progress


def upgrade(server, major):
    if not hasattr(server, "container"):
        problem = "without Docker the version of Postgres is that of its package in requirements/native.txt"
        raise Failure(problem, "make upgrade-db MODE=docker TO=…")
    now = str(int(server.sql("SHOW server_version_num")) // 10000)
    unfinished = server.output("sh", "-c", f"cat {MARK} 2>/dev/null || true")
    if major == now == unfinished:
        say(f"an upgrade to {major} was interrupted: finishing it")
        server.were_up = server.users()
        return end(server, major)
    if not re.fullmatch("[0-9]+", major) or major == now:
        raise Failure(
            f"the version is {major!r}. Expected another major version of Postgres than {now}, which runs",
            "name it: make upgrade-db TO=…",
        )
    folder = f"{VOLUME}/{major}/docker"
    if unfinished == major and int(major) > int(now):
        say(f"an upgrade to {major} was interrupted: starting it again")
        server.output("rm", "-rf", folder)
    there = server.run("test", "-s", f"{folder}/PG_VERSION").returncode == 0
    if there and int(major) > int(now):
        remove = f"docker exec {server.container} rm -r {folder}"
        raise Failure(f"{folder} holds data of an earlier upgrade", f"keep it, or, if nobody needs it: {remove}")
    if not there and int(major) < int(now):
        raise Failure(f"there is no data of Postgres {major} to go back to", "make restore FILE=…")
    image = f"postgres:{major}"
    if not output("docker", "image", "inspect", image) and run("docker", "pull", image).returncode:
        raise Failure(f"there is no image {image}, see above", "name a version that the image has")
    try:
        # This file tells what an interrupted upgrade leaves from what an earlier one has left on purpose.
        server.output("sh", "-c", f"echo {major} >{MARK}")
        server.stop_users()
        if unfinished:
            server.were_up = server.users()
        path = backup(server)
        if not there:
            load(server, path, image, folder)
        switch(server, now, major)
    except BaseException:
        print(f"Nothing has changed: starting Postgres {now} and web again", file=sys.stderr)
        end(server, now)
        raise
    if there:
        print(f"Postgres {major} runs on the data that it was left with. What was written since is in {shown(path)}")
    else:
        print(f"Postgres {major} runs; .env says so. The old data stays: make upgrade-db TO={now} goes back to it")


def end(server, version):
    """Start the database of that version, and web; from then on no upgrade is in progress."""
    server.start_again(POSTGRES_VERSION=version)
    server.connect()
    server.output("rm", "-f", MARK)


def switch(server, now, major):
    env = ROOT / ".env"
    dotfile.set_variable(env, "POSTGRES_VERSION", major)
    try:
        end(server, major)
    except BaseException:
        dotfile.set_variable(env, "POSTGRES_VERSION", now)
        raise


def load(server, path, image, folder):
    """Fill a data folder of another version, in the same volume, and compare it with the present data."""
    home = folder.rpartition("/")[0]
    part = f"{home}/part"
    template = '{{range .Mounts}}{{if eq .Destination "' + VOLUME + '"}}{{.Name}}{{end}}{{end}}'
    volume = docker("inspect", "--format", template, server.container)
    # Give it the owner of the volume, because this container may run as another user. Mount only this folder: the image
    # refuses to start if it sees data of another version.
    server.output("sh", "-c", f"rm -rf {part} && mkdir -p {home} && chown --reference={VOLUME} {home}")
    mount = f"--mount=type=volume,source={volume},target={home},volume-subpath={home.rpartition('/')[2]}"
    # The image requires a password. The owner gets its own together with the roles, the superuser none.
    values = {
        "PGDATA": part,
        "POSTGRES_USER": server.admin,
        "POSTGRES_DB": server.database,
        "POSTGRES_PASSWORD": "none",
    }
    settings = [f"--env={name}={value}" for name, value in values.items()]
    container = f"{server.container[:12]}-upgrade"
    # A killed upgrade could not remove its container.
    remove = ["docker", "rm", "--force", "--volumes", container]
    output(*remove)
    try:
        docker("run", "--detach", f"--name={container}", "--user=postgres", "--network=none", mount, *settings, image)
        new = Server(inside(container), server.user, server.database, server.admin)
        await_start(new, container)
        # It fails for the superuser, who is there already; that does not matter.
        roles = server.output("pg_dumpall", "--globals-only", "--username", server.admin)
        new.run("psql", "-Xq", "--username", new.admin, "--dbname=postgres", input=roles.encode(), capture_output=True)
        if libraries := server.sql("SHOW shared_preload_libraries"):
            new.sql(f"ALTER SYSTEM SET shared_preload_libraries = {libraries}")
        if new.admin != new.user:
            new.sql(f"ALTER ROLE {new.admin} PASSWORD NULL")
        new.sql(f"ALTER DATABASE {identifier(new.database)} OWNER TO {identifier(new.user)}")
        with path.open("rb") as file:
            new.output("pg_restore", "--exit-on-error", "--username", new.admin, "--dbname", new.database, stdin=file)
        new.sql("ANALYZE", new.database, new.admin)
        different = set(new.rows().items()) ^ set(server.rows().items())
        if different:
            raise Failure(f"numbers of rows differ in {image}: {sorted(different)}", "run this again")
        docker("stop", "--time=120", container)
        # In one step, once it is complete, to where the image looks for it.
        server.output("mv", part, folder)
    finally:
        output(*remove)
        server.run("rm", "-rf", part)


def docker(*words):
    return must_output(f"docker {words[0]} failed", "see its message above", "docker", *words)


def await_start(server, container):
    """Wait until the server accepts connections. Over TCP, because the image first starts one on the socket only."""
    ready = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username", server.user]

    def state():
        if not server.run(*ready, stderr=subprocess.DEVNULL).returncode:
            return "ready"
        return "ended" if docker("inspect", "--format={{.State.Running}}", container) == "false" else ""

    if wait_until(state, START, 0.5) != "ready":
        run("docker", "logs", "--tail=5", container, stdout=sys.stderr)
        raise Failure("the new server did not start, see above", "run this again")
