"""Deploys to a Swarm of one node, under load: not one request fails, whatever the release is worth."""

import os
import re

import pytest

from django_compose_stack.tests.prod.load import Load
from django_compose_stack.tests.prod.production import CAPABILITIES, STYLESHEET
from django_compose_stack.tests.stack.checkout import IS_NEW, run

DEPLOYS = int(os.environ.get("DEPLOYS", "2"))
MIGRATION = """
from django.db import migrations


def fail(apps, schema_editor):
    raise RuntimeError("half way")


class Migration(migrations.Migration):
    dependencies = [("pages", "0001_initial")]
    operations = [
        migrations.RunSQL("CREATE TABLE half_done (id int)"),
        migrations.RunPython(fail),
    ]
"""

# Django is set up, and each probe is refused.
ILL = """get_wsgi_application()


def application(environ, start_response):
    start_response("500 Ill", [])
    return [b""]"""


def serving(production):
    [version] = re.findall(r"(\S+)  serves$", production.make("releases").stdout, re.M)
    return version


def asset(page):
    return STYLESHEET.findall(page)[-1]


def started(production, service):
    """Return when the container's first process began, which a new container or a restart changes."""
    return production.exec(service, "cat", "/proc/1/stat").split()[21]


@pytest.fixture(scope="module")
def quick(stack):
    """The stack, which from its next release on waits for less: a test's release is healthy in seconds, or never."""
    stack.make_quick()
    stack.replace("Dockerfile", "--start-period=60s", "--start-period=15s")
    return stack


def test_deploys_under_load_fail_no_request(stack):
    """Nor do they touch the database and Nginx. Every second one deploys the same tree again."""
    before = {service: started(stack, service) for service in ("db", "nginx")}
    seen = [asset(stack.request("/").body)]
    with Load(stack) as load:
        for number in range(DEPLOYS):
            stack.give_style(f"release {number // 2}")
            stack.make("deploy")
            seen.append(asset(stack.request("/").body))
    print(f"\n{sum(load.answers.values())} requests in {DEPLOYS} deploys, slowest {load.slowest:.2f} s: {load.answers}")

    assert load.failed == {}
    assert {service: started(stack, service) for service in before} == before
    assert len(set(seen)) == (DEPLOYS + 1) // 2 + 1
    texts = set(stack.sql("SELECT text FROM pages_note").split())
    assert set(load.acknowledged) - texts == set()
    # Who has a page of an older release open still gets its files.
    assert [stack.request(path).status for path in seen] == [200] * len(seen)


@pytest.mark.skipif(DEPLOYS < 3, reason="the test above deploys as often; DEPLOYS=50 for both")
def test_deploys_of_an_idle_site_succeed(stack):
    for number in range(DEPLOYS):
        stack.give_style(f"idle release {number // 2}")
        before = serving(stack)

        stack.make("deploy")

        assert serving(stack) != before
        assert stack.request("/").status == 200


def test_file_of_an_old_release_that_nobody_asked_for_yet_is_the_current_one(stack):
    path = asset(stack.request("/").body)
    current = stack.request(path)

    answer = stack.request(re.sub(r"\.[0-9a-f]{12}\.", ".0123456789ab.", path))

    assert (answer.status, answer.body) == (200, current.body)
    assert "immutable" not in answer.headers["cache-control"]
    assert stack.request("/static/pages/none.0123456789ab.css").status == 404


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "reason"),
    [
        ("crashes", "config/wsgi.py", "application =", "raise RuntimeError('broken release')\napplication =", "broken"),
        ("hangs", "config/wsgi.py", "application =", "import time; time.sleep(999)\napplication =", "unhealthy"),
        (
            "is unhealthy",
            "config/wsgi.py",
            "application = get_wsgi_application()",
            ILL,
            "unhealthy",
        ),
    ],
)
def test_bad_release_is_rolled_back_by_itself(quick, name, file, old, new, reason):
    before = serving(quick)
    quick.replace(file, old, new)
    try:
        with Load(quick) as load:
            refused = quick.make("deploy", check=False)
    finally:
        quick.replace(file, new, old)

    assert refused.returncode != 0
    assert "did not become healthy" in refused.stderr
    assert reason in refused.stderr
    assert f"{before} is what web serves (rollback completed)" in refused.stderr
    assert load.failed == {}
    assert serving(quick) == before


def test_failed_migration_stops_the_deploy(stack):
    before = serving(stack)
    migration = stack.path / "apps/pages/migrations/0002_fails.py"
    migration.write_text(MIGRATION)
    try:
        with Load(stack) as load:
            refused = stack.make("deploy", check=False)
    finally:
        migration.unlink()

    assert refused.returncode != 0
    assert "the migration failed" in refused.stderr
    assert "RuntimeError: half way" in refused.stderr
    assert load.failed == {}
    assert serving(stack) == before
    assert stack.sql("SELECT to_regclass('half_done') IS NULL") == "t"


def test_rollback_and_forward_by_hand(quick):
    before = serving(quick)
    first = quick.request("/").body
    quick.give_style("for a rollback")
    quick.make("deploy")
    after = serving(quick)

    with Load(quick) as load:
        quick.make("rollback")

    assert load.failed == {}
    assert serving(quick) == before
    assert asset(quick.request("/").body) == asset(first)
    quick.make("rollback", f"VERSION={after}")
    assert serving(quick) == after


def running_tasks(production):
    """Return the ids of the running tasks of web."""
    words = ["docker", "service", "ps", "--quiet", "--filter=desired-state=running", f"{production.name}_web"]
    return set(run(*words).stdout.split())


def test_make_ps_and_restart_act_on_the_stack(stack):
    before = running_tasks(stack)
    listed = stack.make("ps", MODE="production").stdout

    stack.make("restart", MODE="production")

    assert f"{stack.name}_web.1" in listed
    assert all(task[:12] in listed for task in before)
    assert running_tasks(stack) & before == set()
    assert stack.request("/").status == 200


def test_logs_are_followed_until_control_c(stack):
    stack.request("/")

    said = stack.followed(rf"{stack.name}_(\w+)\.", {"db", "web", "nginx"})

    assert "Traceback" not in said


def test_version_that_is_not_there_is_refused(stack):
    before = serving(stack)

    refused = stack.make("rollback", "VERSION=none-such", check=False)

    assert f"there is no image {stack.name}:none-such.\nFix: name one of: make releases." in refused.stderr
    assert serving(stack) == before


def test_changed_secret_is_taken_over(quick):
    path = quick.path / "secrets/secret_key"
    path.chmod(0o644)
    path.write_text("another-key-of-fifty-letters-and-digits-for-this-test-alone")

    quick.make("deploy")

    assert quick.exec("web", "cat", "/run/secrets/secret_key") == path.read_text()


def test_stack_is_hardened_as_far_as_a_swarm_can(stack):
    for service in ("db", "web", "nginx"):
        processes = stack.processes(service)

        assert processes
        for process in processes:
            assert "0" not in process["Uid"], (service, process["Name"])
            assert {process[name][0] for name in CAPABILITIES} == {"0" * 16}, (service, process["Name"])
    for container in stack.containers():
        template = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}"
        read_only, memory, pids = run("docker", "inspect", "--format", template, container).stdout.split()
        assert (read_only, int(memory) > 0, int(pids) > 0) == ("true", True, True)


def test_engine_without_a_swarm_is_refused(stack, tmp_path):
    """A stand-in for docker that says what an engine outside of a Swarm says."""
    docker = tmp_path / "docker"
    docker.write_text(
        '#!/bin/sh\ncase "$*" in info*) echo \'{"ControlAvailable": false}\' ;; *) exec "$REAL_DOCKER" "$@" ;; esac\n'
    )
    docker.chmod(0o755)
    real = run("sh", "-c", "command -v docker").stdout.strip()

    refused = stack.make("deploy", check=False, PATH=f"{tmp_path}:{os.environ['PATH']}", REAL_DOCKER=real)

    assert "manages no Swarm, which a deploy needs, on one machine too.\nFix: docker swarm init." in refused.stderr


@pytest.mark.skipif(IS_NEW, reason="changes the source of the program, which is in a wheel there")
def test_old_images_go_and_what_has_run_them(quick):
    quick.replace("django_compose_stack/production/release.py", "KEPT = 10", "KEPT = 2")
    newest = sorted(run("docker", "image", "ls", "--format", "{{.Tag}}", quick.name).stdout.split())[-1]

    quick.make("deploy")

    listed = [line.split()[2] for line in quick.make("releases").stdout.splitlines()]
    assert listed == [serving(quick), newest]


def test_release_may_need_variables_and_a_secret_that_are_new(quick):
    """Its migration does too, and comes before the stack is changed."""
    needs = """if SECRET_KEY != "only-for-this-line":
    assert [env.str(name) for name in ("GREETING", "PRICE", "TOKEN")] == ["for $5", "$5", "of-this-test"]
ALLOWED_HOSTS ="""
    variables = ["HTTPS: ${HTTPS:-true}", "GREETING: ${GREETING}", "PRICE: $$5", "TOKEN_FILE: /run/secrets/token"]
    secret = "secret_key: {file: secrets/secret_key}"
    changes = [
        ("config/settings.py", "ALLOWED_HOSTS =", needs),
        ("compose.prod.yaml", variables[0], "\n      ".join(variables)),
        ("compose.prod.yaml", "secret_key, database_url, email_url]", "secret_key, database_url, email_url, token]"),
        ("compose.prod.yaml", secret, f"{secret}\n  token: {{file: secrets/token}}"),
    ]
    before = serving(quick)
    for file, old, new in changes:
        quick.replace(file, old, new)
    (quick.path / "secrets/token").write_text("of-this-test")

    with Load(quick) as load:
        quick.make("deploy", GREETING="for $5")

    assert load.failed == {}
    assert serving(quick) != before
    assert quick.exec("web", "sh", "-c", 'cat "$TOKEN_FILE"; echo " $GREETING"') == "of-this-test for $5\n"
    # What has the label goes with the stack.
    words = ["docker", "secret", "ls", "--format={{.Name}}", f"--filter=label=com.docker.stack.namespace={quick.name}"]
    assert f"{quick.name}_token_" in run(*words).stdout

    for file, old, new in reversed(changes):
        quick.replace(file, new, old)
    quick.make("deploy")
    assert "token" not in quick.exec("web", "ls", "/run/secrets").split()
