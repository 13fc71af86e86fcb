"""Visitors who mean harm: what one of them may take from the others, and what Nginx tells them."""

import contextlib
import http.client
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_compose_stack.tests import STACK
from django_compose_stack.tests.prod.production import STYLESHEET, running
from django_compose_stack.tests.stack.checkout import environment, run

CONNECTIONS = 7500
START = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
# As many headers as are taken at most, and the end of them missing.
UNFINISHED = [
    START + b"".join(b"X-%d: %s\r\n" % (number, b"a" * length) for number in range(50_000 // length))
    for length in (7_000, 13_000)
]

# Runs in a container of web, which has an address of its own, until its input ends.
VISIT = """
import select, sys, urllib.request
request = urllib.request.Request("http://nginx:8080/", headers={"Host": "localhost"})
number = 0
while number < 10 or not select.select([sys.stdin], [], [], 0)[0]:
    urllib.request.urlopen(request, timeout=30).read()
    number += 1
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running(tmp_path_factory, "prod-up") as production:
        yield production


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    with running(tmp_path_factory, "prod-up", tls=True) as production:
        yield production


def restarts(production):
    return production.inspect_all("nginx", "{{.RestartCount}},{{.State.OOMKilled}}")


def used(production, path):
    """Return how many megabytes of a file system of Nginx' container are in use."""
    return int(production.exec("nginx", "sh", "-c", f"df -Pm {path} | awk 'END {{print $3}}'"))


def test_query_makes_no_file_of_the_cache_more(site):
    """One client, with a new query each time; other visitors' uploads have room."""
    path = STYLESHEET.search(site.request("/").body)[1]
    before = used(site, "/tmp")

    def ask(number):
        answer = site.request(f"{path}?{number}")
        return answer.status, len(answer.body)

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(ask, range(3000)))

    assert len(answers) == 1
    files = site.exec("nginx", "sh", "-c", "find /tmp /var/tmp -type f -path '*static*' | wc -l")
    assert int(files) <= 2
    assert used(site, "/tmp") - before <= 1


def test_trickling_uploads_of_one_address_are_limited(site):
    """Each takes a file of /tmp for as long as it lasts."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"
    sockets = [socket.create_connection(("127.0.0.1", int(site.variables["HTTP_PORT"])), 30) for _ in range(32)]
    try:
        for each in sockets:
            each.sendall(head + b"a" * 500_000)
        refused = 0
        deadline = time.monotonic() + 20
        while refused < 22 and time.monotonic() < deadline:
            refused = sum(is_refused(each) for each in sockets)

        assert refused == 22
        assert site.request("/").status == 200
    finally:
        for each in sockets:
            each.close()


def is_refused(connection):
    """Say whether an answer is there, or the connection was reset after it."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) in (b"H", b"")
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_connections_with_unfinished_headers_do_not_end_nginx(site):
    """Past Docker's own proxy of published ports, which ends sooner."""
    [container] = site.compose("ps", "--quiet", "nginx").stdout.split()
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = (run("docker", "inspect", "--format", template, container).stdout.strip(), 8080)
    before = restarts(site)
    sockets = []

    def attack(number):
        connection = socket.create_connection(address, 30)
        sockets.append(connection)
        with contextlib.suppress(OSError):
            connection.sendall(UNFINISHED[number % 2])

    visit = [*STACK, "prod-exec", "web", "python", "-c", VISIT]
    options = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(visit, cwd=site.path, env=environment(**site.variables), **options) as visitor:
        try:
            with ThreadPoolExecutor(64) as pool:
                list(pool.map(attack, range(CONNECTIONS)))
            _, said = visitor.communicate(timeout=300)
        finally:
            for each in sockets:
                each.close()

    assert (visitor.returncode, said) == (0, "")
    assert restarts(site) == before
    assert "exited on signal" not in site.compose("logs", "--no-log-prefix", "nginx").stdout


def test_link_in_media_leads_nowhere(site):
    site.exec("web", "sh", "-c", "ln -s /etc/hostname media/link; echo seen >media/file; ln -s file media/other")

    assert site.request("/media/file").body == "seen\n"
    assert {site.request(f"/media/{name}").status for name in ("link", "other")} == {403}


def test_redirect_to_https_is_to_names_of_this_site_alone(secure):
    assert secure.request("/", host="localhost").status == 308

    answer = secure.request("/", host="evil.example")

    assert (answer.status, answer.headers.get("location")) == (400, None)


def test_media_insist_on_https_as_pages_do(secure):
    secure.exec("web", "sh", "-c", "echo seen >media/file")
    page = secure.request("/", tls=True)

    media = secure.request("/media/file", tls=True)

    assert media.headers["strict-transport-security"] == page.headers["strict-transport-security"]


def test_without_https_media_do_not_insist_on_it(site):
    site.exec("web", "sh", "-c", "echo seen >media/plain")

    assert "strict-transport-security" not in site.request("/media/plain").headers


def test_line_ends_without_cr_reach_gunicorn_as_proper_ones(site):
    """Nginx takes a bare LF, as RFC 9112 allows, and writes each header anew: nothing hides in one."""
    with socket.create_connection(("127.0.0.1", int(site.variables["HTTP_PORT"])), 30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\nHost: localhost\nX-A: b\n\n")
        response = http.client.HTTPResponse(connection)
        response.begin()

        assert response.status == 200
