"""The web server in the background: `python manage.py runserver`, its log, and its address."""

import errno
import os
import socket
from contextlib import closing, suppress

from django_compose_stack.host.process import Failure, wait_until
from django_compose_stack.host.project import ROOT, content
from django_compose_stack.native.background import POLL, Program

SERVER = Program("web")  # It notes its address.
LOG_LINES = 20
ANSWER_TIMEOUT = 60  # seconds


def url(address):
    """Return the URL for a browser on this machine of an address such as 0.0.0.0:8000."""
    host, _, port = address.rpartition(":")
    return f"http://{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}"


def start(address, environment):
    """Start the server. Raises Failure if the port is taken, naming the process that holds it."""
    host, _, port = address.rpartition(":")
    SERVER.start(["runserver", address], environment, address, check=lambda: refuse_taken(host, int(port)))


def refuse_taken(host, port):
    """Raise Failure if nothing can listen on the address, naming the process or container that holds it."""
    # Not at the top: servers can be stopped without the doctor.
    from django_compose_stack.doctor.network import examine_port
    from django_compose_stack.doctor.stack import Stack

    address = host.strip("[]")
    try:
        socket.create_server((address, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            for finding in examine_port(Stack(ROOT, {**os.environ, "MODE": "native"}), address, port):
                raise Failure(finding.problem, finding.fix) from None
        raise Failure(
            f"cannot listen on WEB_HOST {host!r}, WEB_PORT {port}: {error.strerror}",
            "Set them in .env as .env.example describes; the defaults are 127.0.0.1 and 8000",
        ) from None


def wait(address):
    """Return when the page answers. Raises Failure with the last log lines if it does not."""
    import http.client

    host, _, port = url(address)[len("http://") :].rpartition(":")

    def state():
        """Return what is known of the server; empty while it starts."""
        if SERVER.running() is None:
            return "has ended"
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=ANSWER_TIMEOUT)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            return f"runs, and answers /healthz with status {connection.getresponse().status}"
        return ""

    found = wait_until(state, ANSWER_TIMEOUT, POLL) or f"does not answer after {ANSWER_TIMEOUT} seconds"
    if not found.endswith(" 200"):
        lines = content(SERVER.log).splitlines()[-LOG_LINES:]
        raise Failure(
            f"the web server {found}. Last log lines:\n" + "\n".join(lines),
            "Correct the error above, then: make up. The whole log: make logs",
        )
