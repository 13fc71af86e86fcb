"""Several nodes: a certificate that came on one reaches the Nginx of the others."""

import shutil
import uuid

import pytest

from django_compose_stack.tests import ROOT
from django_compose_stack.tests.stack.checkout import run, wait_for
from django_compose_stack.tests.stack.conftest import engine  # noqa: F401

IMAGE = "nginx:1.30"
PASSWORD = "a-password-of-the-stack"


@pytest.fixture
def nodes(engine, tmp_path):  # noqa: F811
    """Return the names of two containers of Nginx, of which each has volumes of its own, as on two machines."""
    shutil.copytree(ROOT / "django_compose_stack/scaffold/production/nginx", tmp_path / "stack")
    (tmp_path / "secrets").mkdir()
    for name, text in {"tls_certificate": "none\n", "tls_key": "none\n", "acme_password": PASSWORD}.items():
        (tmp_path / "secrets" / name).write_text(text)
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755)
    network = f"peers-{uuid.uuid4().hex[:8]}"
    run("docker", "network", "create", network)
    names = [f"{network}-{number}" for number in (1, 2)]
    mounts = [f"--volume={tmp_path}/stack:/etc/nginx/stack:ro", f"--volume={tmp_path}/secrets:/run/secrets:ro"]
    mounts += ["--env=DOMAIN=site.example", "--tmpfs=/tmp"]
    try:
        for name in names:
            own = [f"--volume={name}-live:/etc/nginx/live", f"--volume={name}-acme:/etc/nginx/acme"]
            run("docker", "run", "--rm", *mounts, *own, IMAGE, "sh", "/etc/nginx/stack/start", "bring")
            options = ["--detach", "--user=nginx", f"--name={name}", f"--network={network}", "--network-alias=nginx"]
            run("docker", "run", *options, *mounts, *own, IMAGE, "sh", "/etc/nginx/live/current/start")
        for name in names:
            wait_for(lambda name=name: shell(name, "curl -sf http://localhost:8082/ready"), f"Nginx in {name}")
        yield names
    finally:
        run("docker", "rm", "--force", "--volumes", *names, check=False)
        run("docker", "network", "rm", network, check=False)
        run("docker", "volume", "rm", *(f"{name}-{kind}" for name in names for kind in ("live", "acme")), check=False)


def shell(name, script):
    """Return whether a script succeeds as Nginx' user."""
    return run("docker", "exec", "--user=nginx", name, "sh", "-c", script, check=False).returncode == 0


def leave(name, subject, password=PASSWORD, days=30):
    """Leave a certificate for Nginx, as `acme` does on its node."""
    script = f"""cd /tmp && umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days {days} -subj /CN={subject} \
        -keyout key.{subject} -out certificate.{subject}
    openssl pkcs12 -export -in certificate.{subject} -inkey key.{subject} -passout pass:{password} -out new.pfx
    mv new.pfx /etc/nginx/acme/site.pfx && printf '%s\\n' 5 6 ok '' >/etc/nginx/acme/status"""
    assert shell(name, script)


def served(name):
    """Return the subject of the certificate that Nginx shows."""
    command = "openssl s_client -connect localhost:8443 </dev/null 2>/dev/null | openssl x509 -noout -subject"
    return run("docker", "exec", name, "sh", "-c", command, check=False).stdout.strip().replace(" ", "")


def test_certificate_and_status_reach_the_other_node(nodes):
    first, second = nodes
    assert served(first) == served(second) == "subject=CN=none"

    leave(first, "one")

    wait_for(lambda: served(first) == "subject=CN=one", "the node of acme", timeout=60)
    wait_for(lambda: served(second) == "subject=CN=one", "the other node", timeout=60)
    wait_for(lambda: shell(second, "grep -q ok /etc/nginx/acme/status"), "the status", timeout=60)
    assert shell(second, '[ "$(stat -L -c %a /etc/nginx/acme/current/key)" = 600 ]')

    # The newer one wins, from whichever node.
    leave(second, "two")
    wait_for(lambda: served(first) == "subject=CN=two", "the newer one", timeout=60)


def test_file_that_is_damaged_or_another_stack_s_is_left_alone(nodes):
    first, second = nodes
    leave(first, "one")
    wait_for(lambda: served(second) == "subject=CN=one", "the certificate", timeout=60)

    leave(first, "other", password="another-stack")
    wait_for(lambda: shell(first, "cmp -s /etc/nginx/acme/site.pfx /tmp/seen.pfx"), "a look at it")
    assert shell(first, "head -c 300 /etc/nginx/acme/current/site.pfx >/etc/nginx/acme/site.pfx")
    wait_for(lambda: shell(first, "cmp -s /etc/nginx/acme/site.pfx /tmp/seen.pfx"), "a look at it")

    assert served(first) == served(second) == "subject=CN=one"
    leave(first, "three")
    wait_for(lambda: served(second) == "subject=CN=three", "the next certificate", timeout=60)
