"""`make share`, seen from another machine in the network: a network namespace with a cable to this one."""

import json
import os
import random
import re
import shutil
import sys
from pathlib import Path

import pytest
import segno

from django_compose_stack import share
from django_compose_stack.tests import STACK
from django_compose_stack.tests.stack.checkout import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="namespaces need root and ip")

# What a phone's browser does: looks at the page, fills in the login form, sends it.
BROWSER = """
import http.cookiejar, json, re, sys, urllib.error, urllib.parse, urllib.request
origin, password = sys.argv[1:]
jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
def fetch(path, data=None):
    try:
        with opener.open(urllib.request.Request(origin + path, data, {"Origin": origin}), timeout=20) as answer:
            return [answer.status, answer.geturl(), answer.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.geturl(), error.read().decode()]
    except OSError as error:
        return [0, origin + path, str(error)]
page = fetch("/")
answers = {"page": page}
if page[0] == 200:
    token = re.search(r'csrfmiddlewaretoken" value="(\\w+)"', fetch("/admin/login/?next=/admin/")[2])[1]
    form = {"csrfmiddlewaretoken": token, "username": "ada", "password": password, "next": "/admin/"}
    answers["login"] = fetch("/admin/login/", urllib.parse.urlencode(form).encode())
print(json.dumps(answers))
"""
PASSWORD = "long-and-unguessable"


class Phone:
    """Another machine. `address` is this machine's in the network that both are in."""

    def __init__(self):
        self.name = f"phone-{random.randbytes(3).hex()}"
        self.cable = f"ph{random.randbytes(3).hex()}"
        net = f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
        self.address = f"{net}.1"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "address", "add", f"{self.address}/24", "dev", self.cable)
        run("ip", "link", "set", self.cable, "up")
        for words in (["address", "add", f"{net}.2/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            run("ip", "-n", self.name, *words)

    def visit(self, url):
        """Return [status, final URL, text] of the page and of the login, or of the page alone where it fails."""
        words = ["ip", "netns", "exec", self.name, sys.executable, "-c", BROWSER, url, PASSWORD]
        return json.loads(run(*words).stdout)

    def remove(self):
        # Its end of the cable goes with it, and so does the other.
        run("ip", "netns", "delete", self.name)


@pytest.fixture
def phone():
    phone = Phone()
    yield phone
    phone.remove()


@pytest.fixture(params=["docker", "native"])
def project(request, checkout):
    """A copy that `make` brings up in one mode or the other, with an account for the admin."""
    checkout.mode = request.param
    checkout.make("up", MODE=checkout.mode)
    make_user = (
        "from django.contrib.auth import get_user_model as user; "
        f"user().objects.create_superuser('ada', password='{PASSWORD}')"
    )
    words = ["python", "manage.py", "shell", "--no-imports", "-c", make_user]
    if checkout.mode == "docker":
        checkout.compose("exec", "-T", "web", *words)
    else:
        checkout.run(*STACK, "native", *words)
    yield checkout
    if checkout.mode == "native":
        checkout.run(*STACK, "native", "down")


def test_phone_gets_in_while_the_page_is_shared_and_neither_before_nor_after(project, phone):
    url = f"http://{phone.address}:{project.port}"
    before = phone.visit(url)

    shared = project.make("share", f"LAN_ADDRESS={phone.address}", MODE=project.mode)
    meanwhile = phone.visit(url)
    here = project.get()[0]

    again = project.make("up", MODE=project.mode)
    after = phone.visit(url)

    assert "refused" in before["page"][2]
    assert meanwhile["page"][0] == 200 and "No notes yet" in meanwhile["page"][2]
    assert meanwhile["login"][:2] == [200, f"{url}/admin/"]
    assert here == 200
    assert "refused" in after["page"][2]
    assert f"Running at http://127.0.0.1:{project.port}\n" in again.stdout
    assert project.get()[0] == 200
    assert (
        f"Open to everyone in the local network, error pages with code and settings too:\n\n    {url}\n"
        in shared.stdout
    )
    assert shared.stdout.endswith("\nmake up closes it again.\n")
    assert modules(shared.stdout) == [[bool(module) for module in row] for row in segno.make(url).matrix]


def modules(text):
    """Read a QR code that was printed in half blocks: rows of modules, true for a dark one."""
    block = re.search(r"(?:^[█▀▄ ]{20,}\n)+", text, re.M)[0].splitlines()
    rows = []
    for line in block:
        rows += [[character in "▄ " for character in line], [character in "▀ " for character in line]]
    # The last line's lower half is no row of the code; around the code are four light modules.
    return [row[4:-4] for row in rows[4:-4] if not all(row)][: len(rows[0]) - 8]


def test_doctor_has_nothing_against_sharing(stack, phone):
    stack.make("share", f"LAN_ADDRESS={phone.address}")
    try:
        assert stack.make("doctor").stdout == "No problem found.\n"
    finally:
        stack.make("up")


def test_hosts_and_origins_of_env_stay_valid(stack, phone):
    shown = stack.compose(
        *("-f", "compose.yaml", "-f", "-", "config", "web"),
        input=share.OVERLAY,
        LAN_ADDRESS=phone.address,
        ALLOWED_HOSTS="shop.test",
        CSRF_TRUSTED_ORIGINS="https://shop.test",
    ).stdout

    assert f"ALLOWED_HOSTS: {phone.address},.localhost,127.0.0.1,[::1],shop.test\n" in shown
    assert f"CSRF_TRUSTED_ORIGINS: http://{phone.address}:{stack.port},https://shop.test\n" in shown


def test_firewall_does_not_close_a_published_port(stack, phone):
    """A rule of the INPUT chain, as ufw writes them, does not see what Docker has readdressed."""
    stack.make("share", f"LAN_ADDRESS={phone.address}")
    rule = ["INPUT", "-i", phone.cable, "-p", "tcp", "-j", "DROP"]
    run("iptables", "-I", *rule)
    try:
        assert phone.visit(f"http://{phone.address}:{stack.port}")["page"][0] == 200
    finally:
        run("iptables", "-D", *rule)
        stack.make("up")


def test_machine_in_no_network_is_told_to_name_its_address(stack):
    alone = ["unshare", "--net", *STACK, "share"]

    failed = stack.run(*alone, check=False)

    assert failed.returncode == 1
    assert failed.stderr.endswith("name its address: make share LAN_ADDRESS=192.168.1.5\n")


@pytest.mark.parametrize("opener", ["xdg-open", "open"])
def test_open_opens_the_real_address(stack, opener, tmp_path):
    program = tmp_path / opener
    program.write_text(f'#!/bin/sh\necho "$1" >{tmp_path}/opened\n')
    program.chmod(0o755)

    stack.make("open", PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert Path(tmp_path, "opened").read_text() == f"http://127.0.0.1:{stack.port}\n"


def test_open_says_so_where_nothing_runs(checkout):
    failed = checkout.make("open", check=False)

    assert failed.returncode == 2
    assert "nothing runs here. Try: make up\n" in failed.stderr
