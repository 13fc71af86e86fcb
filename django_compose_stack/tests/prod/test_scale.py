"""Several containers of web serve as one."""

import json
from http.cookies import SimpleCookie

import pytest

from django_compose_stack.tests.stack.checkout import run

ASK = """
import sys
import urllib.request
headers = {"Host": "localhost", "X-Forwarded-Proto": "https", "Cookie": sys.argv[1]}
print(urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8000/admin/", headers=headers)).url)
"""


@pytest.fixture
def replicas(rehearsal):
    """Return a function for each container of web, that runs code of Python there and returns what it prints."""
    ids = rehearsal.compose("ps", "--quiet", "web").stdout.split()
    assert len(ids) == 2

    def shell(container):
        command = ["docker", "exec", container, "python", "manage.py", "shell", "--no-imports", "-c"]
        return lambda code: run(*command, code).stdout.strip()

    return [shell(container) for container in ids]


def test_session_counts_at_every_replica(rehearsal):
    cookies = SimpleCookie()
    for header in rehearsal.log_in(tls=True).raw.get_all("set-cookie"):
        cookies.load(header)
    session = f"sessionid={cookies['sessionid'].value}"

    ids = rehearsal.compose("ps", "--quiet", "web").stdout.split()
    shown = [run("docker", "exec", container, "python", "-c", ASK, session).stdout.strip() for container in ids]

    assert shown == ["http://127.0.0.1:8000/admin/"] * 2


def test_what_one_replica_caches_another_finds(replicas):
    first, second = replicas

    first("from django.core.cache import cache; cache.set('colour', 'green')")

    assert second("from django.core.cache import cache; print(cache.get('colour'))") == "green"


def test_upload_to_one_replica_is_there_for_all_and_for_visitors(rehearsal, replicas):
    first, second = replicas
    # An Nginx that is made while the volume is empty must not take it from web.
    rehearsal.compose("up", "--detach", "--wait", "--no-deps", "--force-recreate", "nginx")
    code = "from django.core.files.storage import default_storage as s; from django.core.files.base import ContentFile"

    name = first(f"{code}; print(s.save('note.txt', ContentFile('from a visitor')))")

    assert second(f"{code}; print(s.open({name!r}).read().decode())") == "from a visitor"
    answer = rehearsal.request(f"/media/{name}", tls=True)
    assert (answer.status, answer.body) == (200, "from a visitor")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_replicas_share_the_requests(rehearsal):
    for _ in range(40):
        assert rehearsal.request("/", tls=True).status == 200

    ids = rehearsal.compose("ps", "--quiet", "web").stdout.split()
    lines = [run("docker", "logs", "--tail", "40", container).stdout.splitlines() for container in ids]
    served = [sum(json.loads(line)["path"] == "/" for line in each if line.startswith("{")) for each in lines]
    assert min(served) > 0


def test_one_number_makes_more_replicas(plain):
    plain.make("prod-up", WEB_REPLICAS="3")
    try:
        assert len(plain.compose("ps", "--quiet", "web", WEB_REPLICAS="3").stdout.split()) == 3
        assert plain.request("/").status in (200, 301)
    finally:
        plain.make("prod-up")


def test_migrate_reaches_whatever_database_web_reaches(rehearsal):
    services = json.loads(rehearsal.compose("config", "--format", "json").stdout)["services"]

    assert services["migrate"]["networks"] == services["web"]["networks"]
