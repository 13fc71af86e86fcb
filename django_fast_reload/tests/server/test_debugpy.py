"""An editor attaches once; breakpoints are hit before and after a reload. The client here speaks debugpy's protocol."""

import json
import socket
import threading

import pytest

from .site import free_port

pytest.importorskip("debugpy", reason="debugpy is not installed")


class Editor:
    """One connection of the Debug Adapter Protocol."""

    def __init__(self, port: int):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.stream = self.sock.makefile("rb")
        self.number = 0
        self.events: list[dict] = []

    def send(self, command: str, **arguments) -> int:
        self.number += 1
        message = {"seq": self.number, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self.sock.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return self.number

    def read(self) -> dict:
        length = 0
        while line := self.stream.readline().strip():
            length = int(line.partition(b":")[2])
        return json.loads(self.stream.read(length))

    def event(self, name: str) -> dict:
        """Return the body of the next event of that name."""
        while True:
            for message in self.events:
                if message.get("event") == name:
                    self.events.remove(message)
                    return message.get("body", {})
            self.events.append(self.read())

    def ask(self, command: str, **arguments) -> dict:
        number = self.send(command, **arguments)
        while True:
            message = self.read()
            if message.get("request_seq") == number:
                assert message["success"], message
                return message.get("body", {})
            self.events.append(message)

    def attach(self, breakpoints: dict[str, int] | None = None, **more) -> "Editor":
        self.ask("initialize", adapterID="debugpy", clientID="test")
        self.send("attach", justMyCode=True, **more)
        self.event("initialized")
        for path, line in (breakpoints or {}).items():
            answer = self.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": line}])
            assert answer["breakpoints"][0]["verified"]
        self.ask("configurationDone")
        return self

    def close(self) -> None:
        self.sock.close()


def test_an_editor_stays_attached(fresh_site):
    site, port = fresh_site, free_port()
    views = site.root / "blog/views.py"
    line = views.read_text().splitlines().index("    return HttpResponse(VERSION)") + 1
    site.start(DEVSERVER_DEBUGPY=str(port))
    editor = Editor(port).attach()

    for version in ("0000", "0001", "0002"):
        site.edit("blog/views.py", '"0000"', f'"{version}"') if version == "0001" else None
        site.edit("blog/views.py", '"0001"', f'"{version}"') if version == "0002" else None
        body = editor.event("debugpyAttach")
        process = Editor(port).attach({str(views): line}, subProcessId=body["subProcessId"])
        answers = []
        client = threading.Thread(target=lambda answers=answers: answers.append(site.get()))
        client.start()
        stopped = process.event("stopped")
        assert stopped["reason"] == "breakpoint"
        assert answers == []
        process.ask("continue", threadId=stopped["threadId"])
        client.join(10)
        assert answers == [(200, version.encode())]
        process.close()
    editor.close()


def test_a_missing_debugger_is_said(fresh_site):
    fresh_site.write("debugpy.py", "raise ImportError('no debugpy here')")
    fresh_site.start(DEVSERVER_DEBUGPY="5678", PYTHONPATH=str(fresh_site.root))

    assert "No debugger at 5678: " in fresh_site.log.read_text()
    assert fresh_site.get() == (200, b"0000")
