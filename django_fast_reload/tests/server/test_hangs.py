"""What a project, a client or the machine does must neither hang the server nor lose a request."""

import json
import os
import socket
from pathlib import Path


REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"

FOREIGN_COMMAND = """
from wsgiref.simple_server import make_server
from django.core.management.commands.runserver import Command as DjangoCommand
class Command(DjangoCommand):
    def inner_run(self, *args, **options):
        self.check(display_num_errors=True)
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"own server"]
        make_server(self.addr, int(self.port), application).serve_forever()
"""


def connect(site, buffer: int = 0) -> socket.socket:
    """Open a connection to a server; buffer: bytes that it may hold unread, 0 for as usual."""
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", site.port))
    return sock


def pid_of(site) -> int:
    return json.loads(site.text("/state"))["pid"]


def processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_error_larger_than_a_message_is_shown(site):
    site.edit("blog/views.py", "import os", "raise ValueError('\N{SNOWMAN}' * 100_000)\nimport os")

    status, text = site.get()

    assert (status, text.decode()[:30]) == (500, "ValueError: " + "\N{SNOWMAN}" * 18)
