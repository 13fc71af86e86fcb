import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from django_compose_stack.dashboard import reloads

LOAD = {"generation": 1, "time": 1_700_000_000.0, "before": "", "error": ""}


@pytest.fixture
def devserver(monkeypatch):
    """Return a function that answers as the development server would, and gives what the dashboard makes of it."""
    monkeypatch.setitem(sys.modules, "_fast_reload.worker.main", object())

    def recent(body):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                assert self.path == reloads.STATUS
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            found = reloads.recent(reloads.ask(*server.server_address))
            thread.join()
        return found

    return recent


def test_reloads_are_told_newest_first_and_measured_against_the_longest(devserver):
    history = [
        {**LOAD, "files": [], "ms": 400.0},
        {**LOAD, "files": ["apps/pages/views.py"], "ms": 13.0},
        {**LOAD, "files": ["a.py", "b.py", "c.py"], "ms": 50.0, "error": "SyntaxError: invalid syntax"},
    ]

    found = devserver(json.dumps({"history": history}).encode())

    assert [(each.what, each.ms, each.share, each.error) for each in found] == [
        ("a.py and 2 more", 50.0, 100.0, "SyntaxError: invalid syntax"),
        ("apps/pages/views.py", 13.0, 26.0, ""),
        ("start", 400.0, 0, ""),
    ]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"history": 3}', b'{"history": [{"ms": "fast"}]}'])
def test_answer_of_another_shape_counts_as_none(devserver, body):
    assert devserver(body) is None


def test_other_servers_are_not_asked():
    assert "_fast_reload.worker.main" not in sys.modules
    assert reloads.recent(reloads.ask("127.0.0.1", 1)) is None


def test_server_that_is_gone_counts_as_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "_fast_reload.worker.main", object())

    assert reloads.recent(reloads.ask("127.0.0.1", 1)) is None
