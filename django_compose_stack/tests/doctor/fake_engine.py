"""A fake engine, for states that a test cannot create. tests/stack/test_doctor.py asks a real one."""

import json
import shutil
import subprocess
from datetime import UTC, datetime

from django_compose_stack.doctor.stack import Stack


class FakeStack(Stack):
    """Answers docker's command lines from a dict (conftest.healthy), and writes them down in `commands`."""

    def __init__(self, root, environment, state, commands):
        super().__init__(root, environment)
        self.state = state
        self.commands = commands

    def which(self, name):
        return "/fake/docker" if name == "docker" else shutil.which(name, path=self.environment["PATH"])

    def run(self, *command, **options):
        if command[0] != "docker":
            return super().run(*command, **options)
        self.commands.append(" ".join(command[1:]))
        try:
            answer = self.answer(list(command[1:]), options.get("input", ""))
        except LookupError as error:
            return subprocess.CompletedProcess(command, 1, "", str(error.args[0]))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return subprocess.CompletedProcess(command, 0, text, "")

    def answer(self, words, statement):
        """Return the output, as text or as what is printed as JSON. Raises LookupError with docker's message."""
        state = self.state
        if words[0] == "compose" and state["compose"] is None:
            raise LookupError("docker: 'compose' is not a docker command.")
        if words[:2] == ["compose", "version"]:
            return state["compose"]
        if words[0] == "compose" and "config" in words:
            return self.answer_config(words)
        if words[0] == "compose" and ("--build" in words or "build" in words):
            state["run"]["cat"] = (self.root / "requirements/dev.txt").read_text()
            return ""
        if words[:2] == ["compose", "restart"]:
            state["names"] = words[2:]
            return ""
        if "getent" in words:
            return self.answer_getent(words)
        if words[0] == "exec":
            return self.answer_psql(" ".join(words), statement)
        if words[0] in ("image", "volume", "network"):
            return [state[f"{words[0]}s"][words[-1]]]
        return getattr(self, f"answer_{words[0]}")(words)

    def answer_info(self, words):
        if not self.state["info"]:
            raise LookupError(self.state["error"])
        return {"SystemTime": datetime.now(UTC).isoformat(), **self.state["info"]}

    def answer_config(self, words):
        if not self.state["config"]:
            raise LookupError(self.state["error"])
        if "--hash" in words:
            return "\n".join(f"{name} {self.state['hash']}" for name in self.state["config"]["services"])
        return self.state["config"]

    def answer_ps(self, words):
        name, _, value = words[-1].removeprefix("label=").partition("=")
        mine = [one["Id"] for one in self.state["containers"] if one["Config"]["Labels"].get(name) == value]
        return "\n".join(mine)

    def answer_inspect(self, words):
        return [one for one in self.state["containers"] if one["Id"] in words]

    def answer_rm(self, words):
        self.state["containers"] = [one for one in self.state["containers"] if one["Id"] not in words]
        return ""

    def answer_pull(self, words):
        raise LookupError("dial tcp: lookup registry-1.docker.io: no such host")

    def answer_logs(self, words):
        return "the last lines\n"

    def answer_run(self, words):
        return self.state["run"][next(word for word in words if "--entrypoint" in word).partition("=")[2]]

    def answer_getent(self, words):
        if words[-1] not in self.state["names"]:
            raise LookupError("")
        return ""

    def answer_psql(self, command, statement):
        asked = "login" if "hostname -i" in command else "socket"
        repaired = {"ALTER": "login", "CREATE": "socket"}.get(statement.split()[0])
        if repaired and self.state["repairs"]:
            self.state[repaired] = ""
        elif self.state[asked]:
            raise LookupError(self.state[asked])
        return ""
