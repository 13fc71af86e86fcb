"""Certificates that come, and are renewed, by themselves, from an authority of this machine's own."""

import json
import re
import shutil
import socket
import ssl

import pytest

from django_compose_stack.tests.prod.authority import Authority
from django_compose_stack.tests.prod.load import Load
from django_compose_stack.tests.prod.production import Production
from django_compose_stack.tests.stack.checkout import run, wait_for

NAMES = ["site.example", "www.site.example"]


def served(production, name="site.example"):
    """Return (issuer, names, serial number) of the certificate that Nginx shows."""
    port = int(production.variables["HTTPS_PORT"])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        pem = ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True))
    text = run("openssl", "x509", "-noout", "-issuer", "-serial", "-ext", "subjectAltName", input=pem).stdout
    issuer, serial = re.search("issuer=(.*)", text)[1], re.search("serial=(.*)", text)[1]
    return issuer, sorted(re.findall(r"DNS:([\w.]+)", text)), serial


def with_authority(production, seconds, look=2):
    """Let the production ask a local authority, every few seconds, and not every few hours."""
    production.make_quick()
    authority = Authority(int(production.variables["HTTP_PORT"]), NAMES, seconds)
    (production.path / "authority").mkdir()
    shutil.copy(authority.folder / "certificate.pem", production.path / "authority")
    production.replace(
        "compose.acme.yaml", "      ACME_SERVER:\n", "      ACME_SERVER:\n      LEGO_CA_CERTIFICATES: /ca.pem\n"
    )
    production.replace(
        "compose.acme.yaml", "target: /acme}\n", "target: /acme}\n      - {source: ca, target: /ca.pem}\n"
    )
    production.replace(
        "compose.acme.yaml", "configs:\n  acme:", "configs:\n  ca: {file: authority/certificate.pem}\n  acme:"
    )
    production.replace("nginx/acme", "look=21600", f"look={look}")
    production.replace("nginx/acme", "retry=60", "retry=2")
    production.replace("nginx/acme", "longest=3600", "longest=2")
    production.variables |= {
        "ACME_SERVER": authority.address,
        "ALLOWED_HOSTS": "site.example,www.site.example,localhost",
        "DOMAIN": ",".join(NAMES),
    }
    return authority


@pytest.fixture(params=["prod-up", "deploy"])
def goal(request):
    if request.param == "deploy":
        request.getfixturevalue("swarm")
    return request.param


@pytest.fixture
def production(engine, tmp_path):
    production = Production(tmp_path)
    yield production
    production.remove()


def status(production):
    return production.make("ps", "MODE=production").stdout.splitlines()[-1]


def test_certificate_comes_and_is_renewed_under_load_without_a_failed_request(production, goal):
    authority = with_authority(production, seconds=30)
    authority.start()
    try:
        said = production.make(goal)

        first = served(production)
        assert "Pebble" in first[0] and first[1] == sorted(NAMES)
        assert "from Pebble" in said.stderr
        assert "https://site.example:" in said.stdout
        assert production.request("/", host="site.example").status == 308

        with Load(production, tls=True) as load:
            seen = {first[2]}
            wait_for(lambda: seen.add(served(production)[2]) or len(seen) >= 4, "three renewals", timeout=300)

        assert load.failed == {}
        assert load.answers["page", 200] > 100
        modes = "find /etc/nginx/acme -name key -o -name '*.key' | xargs stat -L -c %a"
        assert set(production.exec("nginx", "sh", "-c", modes).split()) == {"600"}

        told = json.loads(production.make("status", "MODE=production", "JSON=1", check=False).stdout)
        assert told["services"]["acme"] == {"running": 1, "wanted": 1}
        assert sorted(told["certificate"]["names"]) == sorted(NAMES)
        assert told["requests"]["requests"] > 300 and told["requests"]["errors"] == 0
        assert told["slow_queries"]["known"] is True
        # A certificate of seconds has no fourteen days, and nobody has made a backup.
        assert told["problems"] == ["the certificate, see above", "there is no backup: make backup MODE=production"]

        authority.stop()
        wait_for(lambda: "failed" in status(production), "the failure to be told", timeout=180)
        kept = served(production)
        assert "Pebble" in kept[0]
        assert "this one goes on" in status(production)
        assert production.request("/healthz", tls=False, host="site.example").status == 308

        # What was wrong has been corrected.
        authority.start()
        wait_for(lambda: "failed" not in status(production) and served(production) != kept, "a new one", timeout=180)
    finally:
        authority.stop()
