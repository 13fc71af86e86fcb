"""Another major version of Postgres: its data in the same volume, beside that of the version of now.

Python 3.9+, standard library only.
"""

import subprocess
import sys
import time

from django_compose_stack.data.backups import backup, shown
from django_compose_stack.data.server import Server, inside
from django_compose_stack.host import dotfile
from django_compose_stack.host.process import die
from django_compose_stack.host.project import ROOT

START = 120  # seconds for a new server to accept connections
VOLUME = "/var/lib/postgresql"


def upgrade(server, major):
    if not hasattr(server, "container"):
        die("without Docker the version of Postgres is that of its package in requirements/native.txt")
    now = str(int(server.sql("SHOW server_version_num")) // 10000)
    if not major.isdigit() or major == now:
        die(f"the version is {major!r}. Expected another major version of Postgres than {now}, which runs")
    folder = f"{VOLUME}/{major}/docker"
    there = server.run("test", "-s", f"{folder}/PG_VERSION").returncode == 0
    if there and int(major) > int(now):
        remove = f"docker exec {server.container} rm -r {folder}"
        die(f"{folder} holds data of an upgrade before. If nobody needs it: {remove}")
    if not there and int(major) < int(now):
        die(f"there is no data of Postgres {major} to go back to")
    image = f"postgres:{major}"
    known = subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0
    if not known and subprocess.run(["docker", "pull", image]).returncode:
        die(f"there is no image {image}, see above")
    try:
        server.stop_web()
        path = backup(server)
        if not there:
            load(server, path, image, folder)
        switch(server, now, major)
    except BaseException:
        print(f"Nothing was changed: starting Postgres {now} and web again", file=sys.stderr)
        server.start_again(POSTGRES_VERSION=now)
        raise
    if there:
        print(f"Postgres {major} runs on the data that it was left with. What was written since is in {shown(path)}")
    else:
        print(f"Postgres {major} runs; .env says so. The old data stays: make upgrade-db TO={now} goes back to it")


def switch(server, now, major):
    env = ROOT / ".env"
    env.touch()  # Where there is none, it is to hold this alone, and not the whole example.
    dotfile.set_variable(env, "POSTGRES_VERSION", major)
    try:
        server.start_again(POSTGRES_VERSION=major)
    except BaseException:
        dotfile.set_variable(env, "POSTGRES_VERSION", now)
        raise


def load(server, path, image, folder):
    """Fill a data folder of another version, in the same volume, and compare it with the present one."""
    home = folder.rpartition("/")[0]
    part = f"{home}/part"
    template = '{{range .Mounts}}{{if eq .Destination "' + VOLUME + '"}}{{.Name}}{{end}}{{end}}'
    volume = docker("inspect", "--format", template, server.container)
    # As the owner of the folder above, whoever this container's user is. Only that version's folder is mounted,
    # because the image refuses to start where it sees data of another version.
    server.output("sh", "-c", f"rm -rf {part} && mkdir -p {home} && chown --reference={VOLUME} {home}")
    mount = f"--mount=type=volume,source={volume},target={home},volume-subpath={home.rpartition('/')[2]}"
    # The image wants a password; the role's own comes along with the roles.
    values = {"PGDATA": part, "POSTGRES_USER": server.user, "POSTGRES_DB": server.database, "POSTGRES_PASSWORD": "none"}
    settings = [f"--env={name}={value}" for name, value in values.items()]
    container = f"{server.container[:12]}-upgrade"
    name = f"--name={container}"
    # One that was killed could not take its own away.
    remove = ["docker", "rm", "--force", "--volumes", container]
    subprocess.run(remove, capture_output=True)
    try:
        docker("run", "--detach", name, "--user=postgres", "--network=none", mount, *settings, image)
        new = Server(inside(container), server.user, server.database)
        await_start(new, container)
        # The owner is there already, which is an error of no consequence.
        roles = server.output("pg_dumpall", "--globals-only", "--username", server.user)
        new.run("psql", "-Xq", "--username", new.user, "--dbname=postgres", input=roles.encode(), capture_output=True)
        with path.open("rb") as file:
            new.output("pg_restore", "--exit-on-error", "--username", new.user, "--dbname", new.database, stdin=file)
        new.sql("ANALYZE", new.database)
        different = set(new.rows().items()) ^ set(server.rows().items())
        if different:
            die(f"{image} has other numbers of rows: {sorted(different)}")
        docker("stop", "--time=120", container)
        # In one step, once all is in it, to where the image looks for it.
        server.output("mv", part, folder)
    finally:
        subprocess.run(remove, capture_output=True)
        server.run("rm", "-rf", part)


def docker(*words):
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    if done.returncode:
        die(f"docker {words[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def await_start(server, container):
    """Wait until the server accepts connections; over TCP, because the image's first start has one on the socket."""
    deadline = time.monotonic() + START
    ready = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username", server.user]
    while server.run(*ready, stderr=subprocess.DEVNULL).returncode:
        ended = docker("inspect", "--format={{.State.Running}}", container) == "false"
        if ended or time.monotonic() > deadline:
            subprocess.run(["docker", "logs", "--tail=5", container], stdout=sys.stderr)
            die("the new server did not start, see above")
        time.sleep(0.5)
