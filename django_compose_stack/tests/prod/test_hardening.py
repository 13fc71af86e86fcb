"""What the running containers may do."""

import json

import pytest

from django_compose_stack.tests import ROOT, STACK
from django_compose_stack.tests.prod.production import CAPABILITIES
from django_compose_stack.tests.stack.checkout import run

SERVICES = ("db", "web", "nginx")


@pytest.fixture
def containers(rehearsal):
    """Return what the engine knows of each running container, by service."""
    found = {}
    for container in json.loads(run("docker", "inspect", *rehearsal.containers()).stdout):
        found.setdefault(container["Config"]["Labels"]["com.docker.compose.service"], []).append(container)
    assert set(found) == set(SERVICES)
    return found


def every(containers):
    return [container for group in containers.values() for container in group]


def test_no_process_is_root_or_has_a_capability(rehearsal):
    for service in SERVICES:
        processes = rehearsal.processes(service)

        assert processes
        for process in processes:
            assert "0" not in process["Uid"], (service, process["Name"])
            assert process["NoNewPrivs"] == ["1"], (service, process["Name"])
            assert {process[name][0] for name in CAPABILITIES} == {"0" * 16}, (service, process["Name"])


def test_root_file_system_is_read_only(rehearsal, containers):
    assert {container["HostConfig"]["ReadonlyRootfs"] for container in every(containers)} == {True}
    for service in SERVICES:
        tried = rehearsal.run(*STACK, "prod-exec", service, "sh", "-c", "touch /usr/x || touch /etc/x", check=False)
        assert "Read-only file system" in tried.stderr, service


def test_memory_processes_and_logs_have_an_end(containers):
    memory = {name: {container["HostConfig"]["Memory"] for container in group} for name, group in containers.items()}
    # db's includes 512 MB of /dev/shm, which parallel queries share.
    assert memory == {"db": {2 * 1024**3}, "web": {1024**3}, "nginx": {1024**3}}
    for container in every(containers):
        host = container["HostConfig"]

        assert 0 < host["PidsLimit"] <= 300
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
        assert host["RestartPolicy"]["Name"] == "always"


def test_uploads_that_fill_tmp_do_not_end_nginx(rehearsal):
    """It is memory: without a size of its own, the container's limit would end what wrote into it."""
    filled = rehearsal.run(*STACK, "prod-exec", "nginx", "sh", "-c", "head -c 600M /dev/zero >/tmp/fill", check=False)
    try:
        answer = rehearsal.request("/", tls=True)
    finally:
        rehearsal.exec("nginx", "rm", "-f", "/tmp/fill")

    assert "No space left on device" in filled.stderr
    assert answer.status == 200
    [state] = rehearsal.inspect_all("nginx", "{{.RestartCount}},{{.State.OOMKilled}},{{.State.Running}}")
    assert state == "0,false,true"


def test_nothing_is_published_but_nginx(rehearsal, containers):
    published = {
        service: sorted(port["HostPort"] for ports in group[0]["HostConfig"]["PortBindings"].values() for port in ports)
        for service, group in containers.items()
    }

    ports = sorted([rehearsal.variables["HTTP_PORT"], rehearsal.variables["HTTPS_PORT"]])
    assert published == {"db": [], "web": [], "nginx": ports}


def test_database_has_no_way_out_and_nginx_no_way_to_it(rehearsal, containers):
    networks = {service: set(group[0]["NetworkSettings"]["Networks"]) for service, group in containers.items()}
    front, back = f"{rehearsal.name}_front", f"{rehearsal.name}_back"

    assert networks == {"db": {back}, "web": {front, back}, "nginx": {front}}
    assert json.loads(run("docker", "network", "inspect", back).stdout)[0]["Internal"] is True
    routes = rehearsal.exec("db", "cat", "/proc/net/route").splitlines()[1:]
    assert "00000000" not in [line.split()[1] for line in routes]


def test_secrets_are_not_in_the_environment_of_the_containers(rehearsal, containers):
    values = [(rehearsal.path / "secrets" / name).read_text() for name in ("postgres_password", "secret_key")]

    for container in every(containers):
        assert not any(value in json.dumps(container) for value in values)


def test_new_secrets_are_long_and_closed_to_other_users(plain):
    folder = plain.path / "secrets"

    assert folder.stat().st_mode & 0o777 == 0o700
    assert len((folder / "secret_key").read_text()) >= 50
    assert len((folder / "postgres_password").read_text()) >= 32


def test_password_of_an_address_is_a_secret_too(plain):
    """Everybody who may ask the engine about a container reads its environment."""
    plain.make("prod-up", EMAIL_URL="smtp+tls://me:pass-of-mail@mail.example:587")

    code = "from django.conf import settings; print(settings.MAILERS['default']['OPTIONS'])"
    assert "pass-of-mail" in plain.manage("shell", "--no-imports", "-c", code)
    assert "pass-of-mail" not in run("docker", "inspect", *plain.containers()).stdout


def test_application_is_no_superuser_of_the_database(rehearsal):
    """Nor may it make databases or roles: SQL that is smuggled in reads no files and starts no programs."""
    rights = "rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"

    assert rehearsal.sql(f"SELECT {rights} FROM pg_roles WHERE rolname = 'app'") == "f"
    assert rehearsal.sql("SELECT rolname FROM pg_roles WHERE rolsuper") == "postgres"
    tried = ["psql", "-U", "app", "-d", "app", "-c", "COPY pages_note (text) FROM PROGRAM 'id'"]
    assert "permission denied" in rehearsal.run(*STACK, "prod-exec", "db", *tried, check=False).stderr


def test_stack_starts_what_was_killed_again_at_once():
    """Swarm's own default is a pause of five seconds."""
    text = (ROOT / "django_compose_stack/scaffold/production/compose.prod.yaml").read_text()

    assert text.count("restart_policy: {condition: any, delay: 500ms}") == text.count("condition: any") == 3
