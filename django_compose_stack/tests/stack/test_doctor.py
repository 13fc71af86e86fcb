"""The doctor on the real engine: broken set-ups, what it finds, what it fixes. tests/doctor has the rest."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.stack.checkout import free_port, run, wait_for

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, routes and owners need root")


def doctor(checkout, *options, **variables):
    """Return the findings by their check's name, and what was fixed."""
    done = checkout.run(*STACK, "doctor", "--json", *options, check=False, **variables)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert done.returncode == (1 if report["findings"] else 0)
    return {one["check"]: one for one in report["findings"]}, report["fixed"]


def write_env(checkout, **changes):
    """Write .env as a copy of the example with some values changed."""
    lines = (checkout.path / ".env.example").read_text().splitlines()
    changes = {"WEB_PORT": checkout.port, **changes}
    changed = [f"{name}={changes[name]}" if (name := line.partition("=")[0]) in changes else line for line in lines]
    (checkout.path / ".env").write_text("\n".join(changed) + "\n")


def test_stack_that_runs_has_no_findings_whether_up_stopped_or_down(checkout):
    assert doctor(checkout) == ({}, [])
    checkout.up()
    assert checkout.make("doctor").stdout == "No problem found.\n"
    checkout.compose("stop")
    assert doctor(checkout) == ({}, [])
    checkout.compose("down")
    assert doctor(checkout) == ({}, [])


def test_new_password_reaches_the_volume_and_nothing_is_lost(checkout):
    checkout.up()
    checkout.add_note("kept")
    write_env(checkout, POSTGRES_PASSWORD="'n3w $p$$w#rd'")
    checkout.up()
    assert "password authentication failed" in checkout.get()[1]

    found, _ = doctor(checkout)
    assert list(found) == ["database-password"]
    assert doctor(checkout, "--fix") == ({}, ["set the password of role app to that of .env"])

    assert "kept" in checkout.page()
    assert doctor(checkout, "--fix") == ({}, [])


def test_renamed_database_and_role_are_found(checkout):
    checkout.up()
    write_env(checkout, POSTGRES_DB="other")
    checkout.up()

    found, _ = doctor(checkout)
    assert found["database-name"]["problem"] == "there is no database other, the value of POSTGRES_DB"
    assert doctor(checkout, "--fix") == ({}, ["created the database other, empty"])
    checkout.compose("restart", "web")
    wait_for(lambda: "No notes yet" in checkout.get()[1], "the page on the new database")

    write_env(checkout, POSTGRES_USER="somebody")
    checkout.up()
    found, _ = doctor(checkout)
    assert found["database-role"]["problem"] == "the database has no role somebody, the value of POSTGRES_USER"


def test_port_of_a_container_is_named_and_another_one_taken(stack, checkout):
    write_env(checkout, WEB_PORT=stack.port)
    before = stack.inspect("web", "{{.State.StartedAt}}")

    # Not checkout.run, which puts a WEB_PORT into the environment, where it would win.
    failed = run("make", "up", cwd=checkout.path, check=False, MODE="docker")
    holder = f"container {stack.name}-web-1 of the stack in {stack.path}"
    assert f"port {stack.port} of 127.0.0.1 is taken by {holder}" in failed.stdout + failed.stderr
    fixed = run("make", "doctor", "FIX=1", cwd=checkout.path, MODE="docker").stdout
    port = fixed.split("WEB_PORT=")[1].split()[0]
    assert fixed == f"Fixed: wrote WEB_PORT={port} to .env.\nNo problem found.\n"

    done = run("make", "up", cwd=checkout.path, MODE="docker")
    assert f"Running at http://127.0.0.1:{port}\n" in done.stdout
    assert run("make", "doctor", "FIX=1", cwd=checkout.path, MODE="docker").stdout == "No problem found.\n"
    assert stack.inspect("web", "{{.State.StartedAt}}") == before


def test_namesake_is_named_and_not_touched(stack, checkout):
    found, fixed = doctor(checkout, "--fix", COMPOSE_PROJECT_NAME=stack.name)

    assert found["namesake"]["problem"] == f"project {stack.name} has containers of {stack.path}"
    assert fixed == []
    assert stack.page()


def test_windows_line_ends_keep_web_from_starting_until_fixed(checkout):
    script = checkout.path / "Dockerfile"
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))
    failed = checkout.make("up", check=False)

    assert "Dockerfile has Windows line endings (CRLF)" in failed.stdout + failed.stderr
    assert doctor(checkout, "--fix")[1] == ["converted Dockerfile to Unix line endings"]
    checkout.up()
    assert doctor(checkout) == ({}, [])


def test_server_that_refuses_its_settings_has_its_last_log_lines_shown(checkout):
    write_env(checkout, DEBUG="maybe")

    failed = checkout.make("up", check=False)

    text = failed.stdout + failed.stderr
    assert "Problem: web is exited with status 1. Last log lines:" in text
    assert "DEBUG has value 'maybe'. Expected true or false" in text


def test_container_older_than_env_is_found(checkout):
    checkout.up()
    write_env(checkout, DEBUG="1")

    found, _ = doctor(checkout)

    assert found["container-settings"]["problem"].startswith("web runs with outdated settings")
    checkout.make("up")
    assert doctor(checkout) == ({}, [])


def test_image_older_than_the_requirements_is_built(checkout):
    checkout.compose("build")
    with (checkout.path / "requirements/dev.txt").open("a") as lock:
        lock.write("# changed\n")

    assert "is outdated: dev.txt has changed" in doctor(checkout)[0]["image-requirements"]["problem"]
    assert doctor(checkout, "--fix") == ({}, [f"built {checkout.name}-web"])


def test_leftover_container_is_removed_and_a_running_one_is_not(checkout):
    checkout.compose("run", "--no-deps", "-T", "web", "true")
    working = checkout.compose("run", "--no-deps", "--detach", "web", "sleep", "60").stdout.strip()

    found, _ = doctor(checkout)
    assert list(found) == ["leftover"]
    assert doctor(checkout, "--fix")[0] == {}

    assert run("docker", "inspect", "--format", "{{.State.Status}}", working).stdout == "running\n"


def test_container_that_runs_out_of_memory_is_found(checkout):
    (checkout.path / "compose.override.yaml").write_text("services: {web: {mem_limit: 20m, memswap_limit: 20m}}")
    checkout.up(check=False)

    found, _ = doctor(checkout)

    assert found["memory"]["problem"] == "web was killed because it ran out of memory"


def test_data_of_another_postgres_is_found(checkout):
    mount = f"{checkout.name}_db-data:/data"
    make = "mkdir -p /data/17/docker && echo 17 >/data/17/docker/PG_VERSION"
    run("docker", "run", "--rm", "--volume", mount, "--entrypoint=sh", "postgres:18", "-c", make)
    try:
        found, _ = doctor(checkout)
    finally:
        run("docker", "volume", "rm", f"{checkout.name}_db-data")

    assert "holds data of Postgres 17, but compose.yaml starts postgres:18" in found["data-version"]["problem"]


def test_image_of_another_architecture_is_found(checkout):
    image = f"{checkout.name}-web"
    run("docker", "build", "--platform=linux/arm64", f"--tag={image}", "-", input="FROM scratch\nLABEL a=b\n")
    try:
        found, _ = doctor(checkout)
    finally:
        run("docker", "image", "rm", image)

    assert found["architecture"]["problem"] == f"image {image} of web is for arm64, this engine runs amd64"


def test_proxy_that_would_catch_the_health_check_is_found(stack, tmp_path):
    plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "cli-plugins")
    (tmp_path / "cli-plugins").symlink_to(plugins)
    (tmp_path / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://proxy.invalid:3128"}}}')
    probe = "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"
    words = ["run", "--rm", "--no-deps", "-T", "web", "python", "-c", probe]

    found, _ = doctor(stack, DOCKER_CONFIG=str(tmp_path))
    truth = stack.compose(*words, check=False, DOCKER_CONFIG=str(tmp_path))

    assert "noProxy does not contain 127.0.0.1" in found["proxy-health"]["problem"]
    assert "Connection refused" not in truth.stderr, "the request went to the proxy, not to the container itself"


def test_engine_that_is_not_there_is_found(checkout):
    found, _ = doctor(checkout, DOCKER_HOST="unix:///nowhere/docker.sock")

    assert "unset DOCKER_HOST, which is unix:///nowhere/docker.sock" in found["no-engine"]["fix"]


@ROOT_ONLY
def test_user_whom_the_engine_does_not_know_is_found(checkout):
    # Outside pytest's folders, which other users may not enter.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        home = Path(folder, "app")
        shutil.copytree(checkout.path, home)
        for path in (Path(folder), home, *home.rglob("*")):
            os.chown(path, 4321, 4321)
        user = ["setpriv", "--reuid=4321", "--regid=4321", "--clear-groups"]
        done = run(*user, "/usr/bin/python3", ".stack", "doctor", cwd=home, check=False, WEB_PORT=str(checkout.port))

    assert "permission denied" in done.stdout
    assert "Fix:     sudo usermod -aG docker $USER" in done.stdout


def elsewhere(checkout, preparation, **variables):
    """Examine the checkout in mount and network namespaces of the doctor's own, prepared by a shell script."""
    script = f"set -e; {preparation}; cd {checkout.path}; exec {sys.executable} .stack doctor --json"
    done = run(
        *("unshare", "--mount", "--net", "sh", "-c", f"ip link set lo up; {script}"),
        check=False,
        **{"WEB_PORT": str(checkout.port), **variables},
    )
    assert done.stdout, done.stderr
    return {one["check"]: one for one in json.loads(done.stdout)["findings"]}


def tmpfs(checkout, options):
    """Return a script that puts a tmpfs with the same files over the checkout, where the engine cannot see it."""
    return f"cp -a {checkout.path} /dev/shm/{checkout.name}; mount -t tmpfs -o {options} tmpfs {checkout.path}; " + (
        f"cp -a /dev/shm/{checkout.name}/. {checkout.path}; rm -r /dev/shm/{checkout.name}"
    )


@ROOT_ONLY
def test_folder_that_the_engine_does_not_see_is_found(stack):
    found = elsewhere(stack, f"{tmpfs(stack, 'size=2g')}; rm -r {stack.path}/backups 2>/dev/null || true")

    assert found["mount-elsewhere"]["problem"] == f"a container does not see the files of {stack.path}"


@ROOT_ONLY
@pytest.mark.parametrize(
    ("options", "left"), [("size=30m", " MB free"), ("size=2g,nr_inodes=2000", " more files can be created")]
)
def test_full_disk_is_found(checkout, options, left):
    found = elsewhere(checkout, tmpfs(checkout, options))

    assert left in found["disk-full"]["problem"]
    assert "docker system df" in found["disk-full"]["fix"]


@ROOT_ONLY
def test_mount_without_events_is_found(stack):
    """Write to the lower folder of an overlay that the engine mounts: its containers see it and are told nothing."""
    lower, upper, work = (stack.path.parent / name for name in ("lower", "upper", "work"))
    shutil.copytree(stack.path, lower, symlinks=True)
    for folder in (upper, work):
        folder.mkdir()
    run("mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", str(stack.path))
    try:
        found = elsewhere(stack, f"mount --bind {lower} {stack.path}")
    finally:
        run("umount", str(stack.path))

    assert list(found) == ["file-events"]
    assert "(file system overlay), but gets no events of changes" in found["file-events"]["problem"]


@ROOT_ONLY
@pytest.mark.parametrize("up", [True, False])
def test_network_that_something_else_has_taken_is_found(stack, checkout, up):
    vpn = "ip link add tun0 type veth peer name tun1; ip link set tun0 up; ip link set tun1 up"
    vpn += "; ip route add 172.16.0.0/12 dev tun0; ip route add 192.168.0.0/16 dev tun0"

    found = elsewhere(stack if up else checkout, vpn)

    assert "tun0" in found["subnet"]["problem"]
    assert "overlap" in found["subnet"]["problem"] if up else "every subnet" in found["subnet"]["problem"]
    assert 'subnet: "10.' in found["subnet"]["fix"]


def test_process_on_the_port_is_named_when_up_fails(checkout):
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "http.server", "--bind=127.0.0.1", str(port)])
    try:
        failed = checkout.make("up", check=False, WEB_PORT=str(port))
    finally:
        server.kill()
        server.wait()

    assert f"port {port} of 127.0.0.1 is taken by process {server.pid} (python" in failed.stdout + failed.stderr
