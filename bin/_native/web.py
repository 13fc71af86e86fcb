"""The web server in the background: `python manage.py runserver`, its log, and where it listens."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

from _native.common import ROOT, STATE, Failure, is_locked, try_lock
from _native.environment import content

# Locked by the server as long as one process of it lives. It holds the first one's id and the address.
LOCK = STATE / "web"
LOG = STATE / "web.log"
LOG_LINES = 20
ANSWER_TIMEOUT = 60  # seconds
STOP_TIMEOUT = 10  # seconds, for each way of asking
POLL = 0.02  # seconds


def running():
    """Return (process id, address) of the server, ("4711", "127.0.0.1:8000"); None where it does not run."""
    return tuple(content(LOCK).split()) if is_locked(LOCK) else None


def url(address):
    """Return where a browser on this machine finds an address such as 0.0.0.0:8000."""
    host, _, port = address.rpartition(":")
    return f"http://{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}"


def start(address, environment):
    """Start the server. Raises Failure naming the port's holder where the port is taken."""
    host, _, port = address.rpartition(":")
    lock = try_lock(LOCK)
    try:
        refuse_taken(host, int(port))

        def sign():
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()} {address}\n".encode(), 0)

        with LOG.open("wb") as log:
            subprocess.Popen(
                ["python", "manage.py", "runserver", address],
                cwd=ROOT,
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[lock],
                preexec_fn=sign,
            )
    finally:
        os.close(lock)


def refuse_taken(host, port):
    loader = SourceFileLoader("doctor", str(ROOT / "bin/doctor"))
    doctor = module_from_spec(spec_from_loader("doctor", loader))
    loader.exec_module(doctor)
    # Only IPv4 is looked at; for another host the server's own log tells.
    if ":" in host or doctor.is_free(host, port):
        return
    holder = doctor.holding_process(port) or "a process of another user"
    free = next((candidate for candidate in range(port + 1, 65536) if doctor.is_free(host, candidate)), 8000)
    raise Failure(
        f"port {port} of {host} is taken by {holder}",
        f"Stop it, or set WEB_PORT={free} in .env and run this again",
    )


def wait(address):
    """Return when the page answers. Raises Failure with the end of the log where it does not."""
    import http.client

    host, _, port = url(address)[len("http://") :].rpartition(":")
    deadline = time.monotonic() + ANSWER_TIMEOUT
    while is_locked(LOCK) and time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=5)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        connection.close()
        time.sleep(POLL)
    state = f"does not answer after {ANSWER_TIMEOUT} seconds" if is_locked(LOCK) else "has ended"
    words = LOG.read_text(errors="replace").splitlines()[-LOG_LINES:]
    raise Failure(
        f"the web server {state}. Its last words:\n" + "\n".join(words),
        "Mend what it says, then: bin/native restart web. All of it: bin/native logs web",
    )


def stop():
    """End the server and return when no process of it is left."""
    for asking in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_TIMEOUT
        process = running()
        if not process:
            return
        # The lock proves that a process of this group lives, so the id cannot be another group's by now.
        with suppress(ProcessLookupError):
            os.killpg(int(process[0]), asking)
        while is_locked(LOCK):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL)
        else:
            return
    raise Failure(f"a process that the web server started still holds {LOCK}", f"Find it with: fuser '{LOCK}'")
