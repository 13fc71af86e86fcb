"""The commands of every day on production, with no engine behind them."""

import subprocess

import pytest

from django_compose_stack import development
from django_compose_stack.host.process import Failure
from django_compose_stack.production import certificates, engine, rehearsal


@pytest.fixture
def commands(monkeypatch):
    """What was run in containers, as text."""
    found = []

    def run(command, **options):
        found.append(" ".join(command))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setenv("MODE", "production")
    monkeypatch.setattr(engine, "environment", dict)
    monkeypatch.setattr(engine, "container", lambda service: f"the-{service}")
    monkeypatch.setattr(subprocess, "run", run)
    return found


def test_check_runs_both_of_its_commands(commands):
    development.check()

    assert [command.partition("the-web ")[2] for command in commands] == [
        "python manage.py check",
        "python manage.py makemigrations --check --dry-run",
    ]


SERVED = """\
notAfter=Feb 12 10:00:00 2099 GMT
issuer=C=US, O=Let's Encrypt, CN=E7
X509v3 Subject Alternative Name:
    DNS:example.com, DNS:www.example.com
"""
FAILED = """\
status=1764270000
status=1764270300
status=failed
status=urn:ietf:params:acme:error:rateLimited
"""


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project of which Compose says these variables."""
    variables = {}

    def printed(*command):
        return "\n".join(f"{name}={value}" for name, value in variables.items())

    monkeypatch.setattr(engine, "must_output", printed)
    monkeypatch.setattr(engine, "ROOT", tmp_path)
    monkeypatch.setattr(engine, "SECRETS", tmp_path / "secrets")
    for name in ("ALLOWED_HOSTS", "DOMAIN", "HTTPS", "IMAGE", "STACK_NAME", "MODE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / engine.ACME_FILE).touch()
    (tmp_path / "secrets").mkdir()
    engine.forget()
    yield variables
    engine.forget()


def test_names_of_domain_are_the_hosts_and_turn_https_on(project):
    project["DOMAIN"] = " Example.com, www.example.com,"

    engine.check_domain()

    assert engine.domains() == ["example.com", "www.example.com"]
    assert engine.environment()["ALLOWED_HOSTS"] == "example.com,www.example.com"
    assert engine.environment()["HTTPS"] == "true"
    assert engine.files() == ["compose.prod.yaml", "compose.acme.yaml"]
    assert engine.address() == "https://example.com/"


def test_without_domain_there_is_no_service_more(project):
    engine.check_domain()

    assert engine.files() == ["compose.prod.yaml"]
    assert engine.environment()["HTTPS"] == "false"


def test_services_are_those_of_the_compose_files_that_run_on(monkeypatch):
    """A job ends. What somebody added comes last, and acme is no reason to say that the site is not up."""
    job, database = {"deploy": {"mode": "replicated-job"}}, {"environment": {"POSTGRES_HOST": "db"}}
    described = {"acme": {}, "db": {}, "migrate": {**job, **database}, "nginx": {"deploy": {"mode": "global"}}}
    described |= {"valkey": {}, "web": database, "worker": {"deploy": {"replicas": 2}, **database}}
    monkeypatch.setattr(engine, "model", lambda: {"services": described})

    assert engine.services() == ["db", "web", "nginx", "acme", "valkey", "worker"]
    assert engine.awaited() == ["db", "web", "nginx", "valkey", "worker"]
    assert engine.users() == ["web", "worker"]


@pytest.fixture
def containers(monkeypatch):
    """What docker inspect prints of the rehearsal's containers, one after the other."""
    found = iter(())

    def give(*looks):
        nonlocal found
        found = iter(looks)

    monkeypatch.setattr(rehearsal, "states", lambda: [line.split() for line in next(found)])
    monkeypatch.setattr(engine, "run", lambda *words, **options: print(*words))
    return give


def test_prod_up_waits_for_all_containers(containers):
    containers(["1 web starting 0", "2 worker starting 7"], ["1 web healthy 0", "2 worker starting 8"],
               ["1 web healthy 0", "2 worker healthy 9", "3 mine running 0"])  # fmt: skip

    rehearsal.await_health()


@pytest.mark.parametrize(
    ("last", "problem"),
    [("2 worker unhealthy 0", "worker is unhealthy"), ("2 worker restarting 3", "worker does not start")],
)
def test_prod_up_fails_where_a_container_does_not_get_healthy(containers, capsys, last, problem):
    containers(["1 web healthy 5", "2 worker starting 0"], ["1 web healthy 5", last])

    with pytest.raises(Failure, match=f"{problem}; the last lines of its log are above"):
        rehearsal.await_health()

    assert capsys.readouterr().out == "docker logs --tail=20 2\n"


def test_certificate_of_one_s_own_goes_first(project):
    project["DOMAIN"] = "example.com"
    (engine.SECRETS / "tls_certificate").write_text("-----BEGIN CERTIFICATE-----\n")

    assert engine.domains() == []
    assert engine.files() == ["compose.prod.yaml"]
    assert engine.address() == "https://example.com/"


@pytest.mark.parametrize(
    "value", ["https://example.com", "example.com:443", "localhost", "192.168.1.5", "a b.example.com"]
)
def test_domain_that_is_no_name_is_refused(project, value):
    project["DOMAIN"] = value

    with pytest.raises(Failure, match="DOMAIN has value") as failure:
        engine.environment()

    assert value.lower() in str(failure.value)
    assert "DOMAIN=example.com" in str(failure.value)


def test_name_that_allowed_hosts_lacks_is_refused(project):
    project |= {"DOMAIN": "example.com,shop.example.com", "ALLOWED_HOSTS": "example.com"}

    with pytest.raises(Failure, match=r"DOMAIN names shop.example.com, which ALLOWED_HOSTS=example.com"):
        engine.check_domain()


def test_parent_in_allowed_hosts_will_do(project):
    project |= {"DOMAIN": "example.com,shop.example.com", "ALLOWED_HOSTS": ".example.com"}

    engine.check_domain()


def test_wildcard_needs_dns(project):
    project["DOMAIN"] = "*.example.com"

    with pytest.raises(Failure, match="ask DNS alone"):
        engine.check_domain()

    (engine.ROOT / engine.ACME_FILE).write_text("CHALLENGE: --dns=cloudflare\n")
    engine.check_domain()
    assert engine.environment()["ALLOWED_HOSTS"] == ".example.com"


def test_project_of_an_older_version_is_told_to_update(project):
    project["DOMAIN"] = "example.com"
    (engine.ROOT / engine.ACME_FILE).unlink()

    with pytest.raises(Failure, match="make update"):
        engine.check_domain()


def test_certificate_is_read_and_told():
    found = certificates.read(SERVED + "status=1764270000\nstatus=1764291600\nstatus=ok\nstatus=\n")

    assert found.names == ("example.com", "www.example.com")
    assert certificates.sentence(found) == f"example.com, www.example.com: {found.days} days left, from Let's Encrypt"


def test_failed_renewal_is_told_and_the_certificate_goes_on():
    found = certificates.read(SERVED + FAILED)

    assert found.failure == "urn:ietf:params:acme:error:rateLimited"
    assert certificates.sentence(found).endswith(
        "The last try, at 2025-11-27 19:00 UTC, failed: urn:ietf:params:acme:error:rateLimited. "
        "The next is at 2025-11-27 19:05 UTC; this one goes on"
    )


def test_stand_in_is_no_certificate():
    text = "notAfter=Feb 12 10:00:00 2099 GMT\nissuer=CN=none\nNo extensions matching\n"

    assert certificates.sentence(certificates.read(text)) == "no certificate yet; it is being asked for"
    assert certificates.sentence(certificates.read(text + FAILED)).startswith("no certificate yet. The last try")
    assert certificates.read("") is None
