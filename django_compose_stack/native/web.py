"""The web server in the background: `python manage.py runserver`, its log, and its address."""

import errno
import os
import signal
import socket
from contextlib import closing, suppress

from django_compose_stack.host.process import Failure, wait_until
from django_compose_stack.host.project import ROOT, content
from django_compose_stack.native.common import STATE, is_locked, start_server, try_lock

# Locked as long as one process of the server lives. It contains the id of the first one, and the address.
LOCK = STATE / "web"
LOG = STATE / "web.log"
LOG_LINES = 20
ANSWER_TIMEOUT = 60  # seconds
STOP_TIMEOUT = 10  # seconds, for each signal
POLL = 0.02  # seconds


def running(path=LOCK):
    """Return (process id, address) of the server, ("4711", "127.0.0.1:8000"); None if it is not running.

    path: the file that another program of the project locks; it has no address.
    """
    return tuple(content(path).split()) if is_locked(path) else None


def url(address):
    """Return the URL for a browser on this machine of an address such as 0.0.0.0:8000."""
    host, _, port = address.rpartition(":")
    return f"http://{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}"


def start(address, environment):
    """Start the server. Raises Failure if the port is taken, naming the process that holds it."""
    host, _, port = address.rpartition(":")
    lock = try_lock(LOCK)
    try:
        # Its content is that of the last server, and would make the port look like this one's.
        os.ftruncate(lock, 0)
        refuse_taken(host, int(port))
        options = {"cwd": ROOT, "env": {**environment, "PYTHONUNBUFFERED": "1"}}
        # The new process writes its own id.
        options["preexec_fn"] = lambda: os.pwrite(lock, f"{os.getpid()} {address}\n".encode(), 0)
        with LOG.open("wb") as log:
            start_server(["python", "manage.py", "runserver", address], lock, log, **options)
    finally:
        os.close(lock)


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
        if not is_locked(LOCK):
            return "has ended"
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=ANSWER_TIMEOUT)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            return f"runs, and answers /healthz with status {connection.getresponse().status}"
        return ""

    found = wait_until(state, ANSWER_TIMEOUT, POLL) or f"does not answer after {ANSWER_TIMEOUT} seconds"
    if not found.endswith(" 200"):
        lines = content(LOG).splitlines()[-LOG_LINES:]
        raise Failure(
            f"the web server {found}. Last log lines:\n" + "\n".join(lines),
            "Correct the error above, then: make up. The whole log: make logs",
        )


def stop(path=LOCK):
    """Stop the server, or the program that locks another file, and return when none of its processes is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = running(path)
        if not process:
            return
        # The lock proves that a process of this group lives, so no other group can have the id by now.
        with suppress(ProcessLookupError):
            os.killpg(int(process[0]), number)
        if wait_until(lambda: not is_locked(path), STOP_TIMEOUT, POLL):
            return
    raise Failure(
        f"a process that the server started still holds {path}", f"Find it with: fuser '{path}', then stop it"
    )
