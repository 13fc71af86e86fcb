"""What Nginx says about its certificate, and the wait for the first one. nginx/acme asks for it and renews it."""

from __future__ import annotations

import datetime
import re
import subprocess
import time
from typing import NamedTuple

from django_compose_stack.host.process import Failure, say, wait_until
from django_compose_stack.production import engine, swarm

FIRST = 90  # seconds for a certificate to be issued: a try, a pause and another one
# Nginx' own container reads what it serves, whichever version of nginx/ that is.
ASK = """
path=$(sed -n 's/^ *ssl_certificate  *\\(.*\\);/\\1/p' /etc/nginx/live/current/server.conf)
[ -n "$path" ] || exit 0
cd /etc/nginx/live/current
openssl x509 -noout -enddate -issuer -ext subjectAltName -in "$path"
[ ! -e /etc/nginx/acme/status ] || sed 's/^/status=/' /etc/nginx/acme/status
"""
NONE = re.compile("^issuer=CN *= *none$", re.M)


class Certificate(NamedTuple):
    """What serves now, and how the last renewal ended.

    ends: UTC, None where Nginx has only the stand-in. names: those it is for. tried, again: when it was asked for and
    will be, in seconds since 1970. failure: why the last try failed; empty if it did not.
    """

    ends: datetime.datetime | None
    issuer: str
    names: tuple
    tried: int
    again: int
    failure: str

    @property
    def days(self):
        return (self.ends - datetime.datetime.now(datetime.timezone.utc)).days if self.ends else 0


def read(text):
    """Return the Certificate that the output of ASK describes; None for an empty one, without TLS."""
    if not text.strip():
        return None
    ends = re.search("^notAfter=(.*) GMT$", text, re.M)
    moment = datetime.datetime.strptime(ends[1], "%b %d %H:%M:%S %Y").replace(tzinfo=datetime.timezone.utc)
    issuer = re.search("^issuer=.*?(?:CN|O) *= *([^,\n]*)", text, re.M)
    tried, again, outcome, failure = [*re.findall("^status=(.*)$", text, re.M), "", "", "", ""][:4]
    return Certificate(
        None if NONE.search(text) else moment,
        issuer[1].strip() if issuer else "",
        tuple(re.findall("DNS:([^,\\s]+)", text)),
        int(tried or 0),
        int(again or 0),
        failure.strip() if outcome == "failed" else "",
    )


def current():
    """Return the Certificate of production on this engine; None without TLS, or where no Nginx runs."""
    try:
        return read(engine.output("docker", "exec", engine.container("nginx"), "sh", "-c", ASK))
    except Failure:
        return None


def clock(seconds):
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def sentence(found):
    """Return what to know about a Certificate, in one or two sentences."""
    names = ", ".join(found.names)
    failed = f"The last try, at {clock(found.tried)}, failed: {found.failure}. The next is at {clock(found.again)}"
    if not found.ends:
        return f"no certificate yet. {failed}" if found.failure else "no certificate yet; it is being asked for"
    text = f"{names}: {found.days} days left, from {found.issuer}"
    if found.failure:
        return f"{text}. {failed}; this one goes on"
    return text


def report():
    """Print a line on the certificate, where there is one or one is asked for."""
    found = current()
    if found:
        print(f"Certificate: {sentence(found)}")


def is_ours(found):
    return bool(found and found.ends and set(engine.domains()) <= set(found.names))


def retry():
    """Have a certificate that could not be renewed asked for now: what was wrong may have been corrected."""
    found = current()
    if engine.domains() and found and found.failure:
        if swarm.serving():
            name = f"{engine.stack()}_acme"
            engine.run("docker", "service", "update", "--force", "--detach", name, stdout=subprocess.DEVNULL)
        else:
            engine.run(*engine.compose("restart", "acme"), stderr=subprocess.DEVNULL)


def await_first():
    """Wait until the names of DOMAIN have a certificate, and say so if they get none."""
    if not engine.domains():
        return
    if not is_ours(current()):
        say(f"waiting for the certificate of {', '.join(engine.domains())}")
    wait_until(lambda: is_ours(current()), FIRST, 0.5)
    found = current()
    if is_ours(found):
        say(sentence(found))
        return
    say(sentence(found) if found else "Nginx does not say which certificate it has: make logs MODE=production")
    names = " and ".join(engine.domains())
    say(f"until then browsers warn. DNS must lead {names} to this machine, and port 80 must be open to everybody")
