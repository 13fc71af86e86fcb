"""`make server`: a bare machine, here a container with sshd and an engine in it, becomes a Swarm of one."""

import json
import uuid

import pytest

from django_compose_stack.tests import ROOT, STACK
from django_compose_stack.tests.stack.checkout import free_port, run, wait_for
from django_compose_stack.tests.stack.conftest import engine  # noqa: F401

DOCKERFILE = r"""
FROM python:3.12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2 openssh-server && mkdir -p /run/sshd
# That of the package sets limits, which a container may not.
COPY --chmod=755 <<'EOF' /usr/local/sbin/service
#!/bin/sh
if [ "$2" = restart ] && [ -e /run/docker.pid ]; then kill "$(cat /run/docker.pid)" && sleep 3; fi
[ -e /run/docker.pid ] || setsid dockerd </dev/null >/var/log/docker.log 2>&1 &
EOF
CMD ["/usr/sbin/sshd", "-D", "-e"]
"""
TIMEOUT = 900  # seconds: packages are downloaded and installed


@pytest.fixture(scope="module")
def machine(engine, tmp_path_factory):  # noqa: F811
    """A machine with SSH, and `make` on it: machine(HOST=…)."""
    folder = tmp_path_factory.mktemp("server")
    name = f"server-{uuid.uuid4().hex[:8]}"
    port = free_port()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/key")
    # ssh by its own settings, not by those of the person who runs the tests.
    (folder / "ssh").write_text(
        f"#!/bin/sh\nexec {run('sh', '-c', 'command -v ssh').stdout.strip()} -F /dev/null -i {folder}/key "
        f'-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$@"\n'
    )
    (folder / "ssh").chmod(0o755)
    run("docker", "build", "--quiet", f"--tag={name}", "-", input=DOCKERFILE, timeout=TIMEOUT)
    options = [
        "--detach",
        "--privileged",
        "--volume=/var/lib/docker",
        f"--publish=127.0.0.1:{port}:22",
        "--cgroupns=private",
    ]
    run("docker", "run", *options, f"--name={name}", f"--hostname={name}", name)
    run("docker", "exec", name, "mkdir", "-p", "-m", "700", "/root/.ssh")
    run("docker", "cp", f"{folder}/key.pub", f"{name}:/root/.ssh/authorized_keys")
    run("docker", "exec", name, "chown", "root:root", "/root/.ssh/authorized_keys")
    host = f"ssh://root@127.0.0.1:{port}"
    path = run("sh", "-c", "echo $PATH").stdout.strip()
    wait_for(lambda: run(f"{folder}/ssh", host, "true", check=False).returncode == 0, "sshd")

    def make(host=host, check=True):
        return run(*STACK, "server", host, cwd=ROOT, check=check, timeout=TIMEOUT, PATH=f"{folder}:{path}")

    make.name = name
    make.run = lambda *words, **options: run("docker", "exec", name, *words, **options)
    yield make
    run("docker", "rm", "--force", "--volumes", name, check=False)
    run("docker", "image", "rm", "--force", name, check=False)


def test_bare_machine_becomes_a_swarm_of_one_and_a_second_run_changes_nothing(machine):
    first = machine().stdout

    assert "changed: began a Swarm of one" in first
    assert "DOCKER_CONTEXT=production make deploy" in first
    info = json.loads(machine.run("docker", "info", "--format", "{{json .Swarm}}").stdout)
    assert (info["LocalNodeState"], info["ControlAvailable"]) == ("active", True)
    settings = json.loads(machine.run("cat", "/etc/docker/daemon.json").stdout)
    assert settings["log-opts"] == {"max-size": "10m", "max-file": "3"}
    firewall = machine.run("ufw", "status", "verbose").stdout
    assert "Default: deny (incoming)" in firewall
    assert {line.split()[0] for line in firewall.splitlines() if "ALLOW IN" in line} == {"22/tcp", "80/tcp", "443/tcp"}
    assert "1" in machine.run("apt-config", "dump", "APT::Periodic::Unattended-Upgrade").stdout
    assert "site-backup production" in machine.run("cat", "/etc/cron.d/site-backup-production").stdout

    second = machine().stdout

    assert "changed:" not in second
    assert "nothing to change" in second


def test_backup_without_a_database_fails_and_says_so(machine):
    done = machine.run("site-backup", "production", check=False)

    assert done.returncode == 1
    assert "no database of production runs here" in done.stderr


def test_backup_is_whole_and_the_last_fourteen_stay(machine):
    image = "postgres:18"
    run(
        "sh",
        "-c",
        f"docker save {image} | docker exec --interactive {machine.name} docker load --quiet",
        timeout=TIMEOUT,
    )
    variables = [f"--env=POSTGRES_{name}" for name in ("USER=app", "DB=app", "PASSWORD=app")]
    label = "--label=com.docker.swarm.service.name=production_db"
    machine.run("docker", "run", "--detach", "--name=db", label, *variables, image)
    ready = ["docker", "exec", "db", "pg_isready", "-q", "-h", "127.0.0.1"]
    wait_for(lambda: machine.run(*ready, check=False).returncode == 0, "Postgres", timeout=120)
    old = "mkdir -p /var/backups/production && cd $_ && for d in $(seq 10 25); do touch 2020-01-$d-031700.dump; done"
    machine.run("bash", "-c", old)

    machine.run("site-backup", "production")

    check = "cd /var/backups/production; ls *.dump | wc -l; sha256sum --check --quiet *.sha256; stat -c %a 2???-*.dump"
    number, *modes = machine.run("sh", "-c", check).stdout.split()
    assert number == "14"
    assert modes[-1] == "600"
    assert machine.run("sh", "-c", "ls /var/backups/production").stdout.count(".sha256") == 1


@pytest.mark.parametrize("host", ["-oProxyCommand=touch /tmp/x", "root@host; reboot", ""])
def test_host_that_is_none_is_refused(host):
    refused = run(*STACK, "server", host, cwd=ROOT, check=False)

    assert refused.returncode == 1
    assert f"HOST has value {host!r}" in refused.stderr
