"""`make prod-up` from a clone: what Nginx and Gunicorn answer, with and without TLS."""

import gzip
import http.client
import json
import socket
import ssl

from django_compose_stack.tests.prod.production import STYLESHEET
from django_compose_stack.tests.stack.checkout import run, wait_for

YEAR = 31_536_000  # seconds


def stylesheet(production, tls):
    return STYLESHEET.search(production.request("/", tls=tls).body)[1]


def log_lines(production, service):
    text = production.compose("logs", "--no-log-prefix", "--no-color", service).stdout
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def handshake(production, *protocols, **context_options):
    """Return the connection's TLS version and the protocol agreed on for what follows."""
    context = ssl.create_default_context(cafile=str(production.path / "secrets/tls_certificate"))
    context.set_alpn_protocols(list(protocols))
    for name, value in context_options.items():
        setattr(context, name, value)
    address = ("127.0.0.1", int(production.variables["HTTPS_PORT"]))
    with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
        return secure.version(), secure.selected_alpn_protocol()


def test_page_comes_over_https(rehearsal):
    answer = rehearsal.request("/", tls=True)

    assert answer.status == 200
    assert "PostgreSQL 18" in answer.body
    # A browser would ask for https on every port of localhost from then on, so it is told so for minutes alone.
    assert answer.headers["strict-transport-security"] == "max-age=300"
    assert "Secure" in answer.headers["set-cookie"]


def test_http_redirects_to_https_on_its_odd_port(rehearsal):
    answer = rehearsal.request("/admin/?next=%2F")

    assert answer.status == 308
    assert answer.headers["location"] == f"{rehearsal.origin(tls=True)}/admin/?next=%2F"


def test_tls_is_modern(rehearsal):
    assert handshake(rehearsal, "h2", "http/1.1") == ("TLSv1.3", "h2")
    old = {"minimum_version": ssl.TLSVersion.TLSv1_2, "maximum_version": ssl.TLSVersion.TLSv1_2}
    assert handshake(rehearsal, "h2", **old) == ("TLSv1.2", "h2")


def test_static_file_is_kept_for_a_year(rehearsal):
    answer = rehearsal.request(stylesheet(rehearsal, True), tls=True, headers={"Accept-Encoding": "br, gzip;q=0.5"})

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == f"public, max-age={YEAR}, immutable"
    assert answer.headers["content-encoding"] == "gzip"


def test_static_file_comes_from_nginx_once_it_was_asked_for(rehearsal):
    """A second request for it does not reach Gunicorn, in either encoding, and the bytes are the same."""
    path = stylesheet(rehearsal, True)
    first = rehearsal.request(path, tls=True)
    seen = len([line for line in log_lines(rehearsal, "web") if line["path"] == path])

    again = [rehearsal.request(path, tls=True) for _ in range(5)]

    assert [answer.body for answer in again] == [first.body] * 5
    assert len([line for line in log_lines(rehearsal, "web") if line["path"] == path]) == seen


def test_check_deploy_has_nothing_to_say(rehearsal):
    assert "no issues (2 silenced)" in rehearsal.manage("check", "--deploy", "--fail-level=DEBUG")


def test_admin_login_over_tls_on_an_odd_port(rehearsal):
    answer = rehearsal.log_in(tls=True)

    assert (answer.status, answer.headers["location"]) == (302, "/admin/")
    assert "Secure" in "".join(answer.raw.get_all("set-cookie"))


def test_form_of_another_origin_is_refused(rehearsal):
    """The port is part of an origin."""
    for origin in ("https://evil.example", "https://localhost", rehearsal.origin(tls=False)):
        assert rehearsal.log_in(tls=True, origin=origin).status == 403, origin


def test_unknown_host_is_refused(rehearsal):
    assert rehearsal.request("/", tls=True, host="evil.example").status == 400


def test_page_is_compressed(rehearsal):
    connection = http.client.HTTPSConnection(
        "localhost",
        int(rehearsal.variables["HTTPS_PORT"]),
        context=ssl.create_default_context(cafile=str(rehearsal.path / "secrets/tls_certificate")),
    )
    connection.request("GET", "/", headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()

    assert response.getheader("content-encoding") == "gzip"
    assert b"It works" in gzip.decompress(response.read())


def test_access_log_is_json_with_the_request_s_id_and_time(rehearsal):
    answer = rehearsal.request('/?quote="\\', tls=True, headers={"X-Forwarded-For": "1.2.3.4", "User-Agent": 'a"b\\'})
    request_id = answer.headers["x-request-id"]

    found = {
        service: [e for e in log_lines(rehearsal, service) if e["id"] == request_id] for service in ("nginx", "web")
    }

    assert [len(entries) for entries in found.values()] == [1, 1]
    web, nginx = found["web"][0], found["nginx"][0]
    assert {name: web[name] for name in ("method", "path", "status")} == {
        "method": "GET",
        "path": '/?quote="\\',
        "status": 200,
    }
    assert 0 < web["ms"] < 60_000
    assert web["client"] == nginx["client"] != "1.2.3.4"


def test_body_that_is_too_large_is_refused_clearly(rehearsal):
    answer = rehearsal.request("/", "POST", True, headers={"Content-Length": str(11 * 1024 * 1024)})

    assert answer.status == 413
    assert "What was sent is larger than this site takes." in answer.body


def test_header_that_is_too_long_is_refused_clearly(rehearsal):
    answer = rehearsal.request("/", tls=True, headers={"Cookie": "a" * 17_000})

    assert answer.status == 431
    assert "cookies sent along with it, are too long" in answer.body


def test_readiness_is_not_for_visitors(rehearsal):
    assert rehearsal.request("/readyz", tls=True).status == 404
    assert rehearsal.request("/healthz", tls=True).status == 200


def test_web_that_is_away_gives_a_friendly_page(rehearsal):
    rehearsal.compose("stop", "web")
    try:
        answer = wait_for(lambda: (a := rehearsal.request("/", tls=True)).status != 200 and a, "web to be gone")
    finally:
        rehearsal.compose("start", "web")

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "please try again in a moment" in answer.body
    wait_for(lambda: rehearsal.request("/", tls=True).status == 200, "web to be back")


def test_sound_files_of_nginx_are_taken_over_and_unsound_ones_refused(rehearsal):
    """Without a new container, whose connections would be lost."""
    path = rehearsal.path / "nginx/site.conf"
    sound = path.read_text()
    before = rehearsal.inspect_all("nginx", "{{.Id}},{{.State.StartedAt}}")
    try:
        path.write_text(sound.replace("location = /readyz {\n    return 404;", "location = /readyz {\n    return 410;"))
        rehearsal.make("prod-up")
        wait_for(lambda: rehearsal.request("/readyz", tls=True).status == 410, "the change")

        path.write_text("nonsense;")
        refused = rehearsal.make("prod-up", check=False)

        assert refused.returncode != 0
        assert 'unknown directive "nonsense"' in refused.stdout + refused.stderr
        assert "Nginx refuses its files and keeps its previous ones" in refused.stderr
        assert rehearsal.request("/readyz", tls=True).status == 410
    finally:
        path.write_text(sound)
    rehearsal.make("prod-up")
    wait_for(lambda: rehearsal.request("/readyz", tls=True).status == 404, "the change back")
    assert rehearsal.inspect_all("nginx", "{{.Id}},{{.State.StartedAt}}") == before


def test_login_is_limited(rehearsal):
    """The last test with TLS: from here on this client must wait."""
    answers = [rehearsal.log_in(tls=True, password="wrong") for _ in range(12)]

    assert {answer.status for answer in answers} == {200, 429}
    refused = answers[-1]
    assert (refused.status, refused.headers["retry-after"]) == (429, "60")
    assert "too many tries" in refused.body
    assert rehearsal.request("/admin/login/", tls=True).status == 200


def test_without_a_certificate_all_works_over_http(plain):
    answer = plain.log_in(tls=False)

    assert plain.request("/").status == 200
    assert (answer.status, answer.headers["location"]) == (302, "/admin/")
    assert "Secure" not in "".join(answer.raw.get_all("set-cookie"))


def test_make_ps_logs_and_restart_act_on_compose(plain):
    def web():
        return plain.inspect_all("web", "{{.Id}},{{.State.StartedAt}}")

    before = web()

    assert f"{plain.name}-web-1" in plain.make("ps", MODE="production").stdout
    plain.request("/")
    assert "Traceback" not in plain.followed(r"^(\w+)-1 .*\|", {"db", "web", "nginx"})
    plain.make("restart", MODE="production")
    assert [entry.split(",")[0] for entry in web()] == [entry.split(",")[0] for entry in before]
    assert not set(web()) & set(before)
    wait_for(lambda: plain.request("/").status == 200, "web to be back")


def test_proxy_before_nginx_says_address_and_scheme(plain):
    """With TRUSTED_PROXY and HTTPS the stack believes a proxy's headers; without, they are the visitor's claims."""
    claim = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    assert "strict-transport-security" not in plain.request("/", headers=claim).headers

    plain.make("prod-up", TRUSTED_PROXY="0.0.0.0/0", HTTPS="true")

    answer = plain.request("/", headers=claim)
    assert answer.status == 200
    assert "strict-transport-security" in answer.headers
    [entry] = [entry for entry in log_lines(plain, "web") if entry["id"] == answer.headers["x-request-id"]]
    assert entry["client"] == "203.0.113.7"
    assert plain.request("/").status == 301


def test_image_is_small_and_holds_what_it_needs_alone(plain):
    def size(image):
        return int(run("docker", "image", "inspect", "--format", "{{.Size}}", image).stdout)

    image = f"{plain.name}:local"
    tools = "for tool in gcc cc c++ ld make uv; do command -v $tool; done"
    cached = "find / -xdev -path '*/.cache/*' 2>/dev/null"
    container = ["docker", "run", "--rm", image]
    modules = run(*container, "python", "-c", "from importlib.util import *; print(*map(find_spec, ['pytest', 'pip']))")

    assert size(image) - size("python:3.12-slim") < 60_000_000
    assert run(*container, "sh", "-c", f"{tools}; {cached}; id -u").stdout.split() == ["10001"]
    assert modules.stdout.split() == ["None", "None"]
    assert not {"secrets", ".env", ".git", "backups"} & set(run(*container, "ls", "-A").stdout.split())
