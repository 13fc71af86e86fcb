"""Broken checkouts and taken ports, on a machine without Docker: nothing here is pretended."""

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from django_compose_stack.doctor import network, versions
from django_compose_stack.doctor.command import examine
from django_compose_stack.native.common import try_lock
from django_compose_stack.tests.doctor.conftest import ROOT, example, free_port, write_env


def test_process_that_holds_the_port_is_named(bare):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = bare.findings(WEB_PORT=str(port))["port"]

    assert found.problem.startswith(f"port {port} of 127.0.0.1 is taken by ")
    if shutil.which("ss") or shutil.which("lsof"):
        assert f"process {os.getpid()} (" in found.problem
    assert "Stop it, or set WEB_PORT=" in found.fix
    assert not found.apply, "WEB_PORT of the shell would beat the one in .env"


def test_port_that_is_not_set_is_the_usual_one(bare, monkeypatch):
    shutil.copy2(ROOT / ".env.example", bare.root)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(network, "USUAL", port)
        found = bare.findings()["port"]

    assert found.problem.startswith(f"port {port} of 127.0.0.1 is taken by ")
    assert found.apply().startswith("wrote WEB_PORT=")


@pytest.fixture
def listen_in():
    """Return a function that starts a process in a folder, which listens on a free port, and returns both."""
    script = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    started = []

    def start(folder, **options):
        command = [sys.executable, "-c", f"{script}; sys.stdin.read()"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen(command, cwd=folder, text=True, **pipes, **options))
        return started[-1], started[-1].stdout.readline().strip()

    yield start
    for process in started:
        process.communicate()


def test_stray_server_of_the_checkout_is_named(bare, listen_in):
    process, port = listen_in(bare.root)

    problem = bare.findings(WEB_PORT=port)["port"].problem

    assert problem.startswith(f"port {port} of 127.0.0.1 is taken by ")
    if shutil.which("ss") or shutil.which("lsof"):
        assert f"process {process.pid} (" in problem


def test_server_that_native_mode_started_may_hold_the_port(bare, listen_in):
    lock = try_lock(bare.root / ".native/web")
    _, port = listen_in(bare.root, pass_fds=[lock])
    os.pwrite(lock, f"4711 127.0.0.1:{port}\n".encode(), 0)
    os.close(lock)

    assert bare.findings(WEB_PORT=port) == {}
    assert "port" in bare.findings(WEB_PORT=listen_in(bare.root)[1])


def test_server_that_native_mode_started_keeps_the_port_from_docker(bare, listen_in):
    lock = try_lock(bare.root / ".native/web")
    _, port = listen_in(bare.root, pass_fds=[lock])
    os.pwrite(lock, f"4711 127.0.0.1:{port}\n".encode(), 0)
    os.close(lock)

    (found,) = network.examine_port(bare.stack({"MODE": "docker"}), "127.0.0.1", int(port))

    assert found.problem == f"port {port} of 127.0.0.1 is taken by the server that native mode started in this folder"
    assert found.fix == "make down MODE=native, then: make up"
    assert not found.apply


def test_address_of_another_machine_is_found(bare):
    found = bare.findings(WEB_HOST="192.0.2.77")["address"]

    assert found.problem == "WEB_HOST is 192.0.2.77, which is not an address of this machine"
    assert "WEB_HOST=127.0.0.1 in .env" in found.fix


def test_machine_with_neither_docker_nor_a_python_is_told(bare, monkeypatch):
    for name in ("PATH", "PYENV_ROOT"):
        monkeypatch.setenv(name, "/nowhere")

    found = bare.findings(PATH="/nowhere")["no-python"]

    assert found.problem == "could not find Python 3.12 or newer. Found no Python at all"
    assert found.fix.startswith("Install Docker. Or: Install it, with its venv module, then try again. For example: ")


@pytest.mark.parametrize(
    ("day", "problems"),
    [
        (date(2028, 10, 31), []),
        (date(2028, 11, 1), ["Python 3.12 has had no security fixes since 2028-10-31"]),
        (
            date(2031, 1, 1),
            [
                "Python 3.12 has had no security fixes since 2028-10-31",
                "Postgres 18 has had no security fixes since 2030-11-14",
            ],
        ),
    ],
)
def test_image_that_gets_no_fixes_any_more_is_found(bare, monkeypatch, day, problems):
    monkeypatch.setattr(versions, "today", lambda: day)
    variables = {"WEB_PORT": str(free_port())}

    assert [one.problem for one in examine(bare.stack(variables))] == problems


def test_lifetimes_of_what_this_stack_uses_are_known():
    env = (ROOT / ".env.example").read_text()

    assert re.search(r"^PYTHON_VERSION=(.*)$", env, re.M)[1] in versions.PYTHON
    assert re.search(r"^POSTGRES_VERSION=(.*)$", env, re.M)[1] in versions.POSTGRES


def test_file_of_another_owner_is_found_and_given_back(bare):
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(bare.root / "manage.py", 4321, 4321)

    found = bare.findings()["foreign-owner"]

    assert found.problem == f"manage.py belongs to uid 4321, this folder to uid {bare.root.stat().st_uid}"
    assert found.fix.startswith("sudo chown -R ")
    assert bare.fix() == [f"changed the owner of 1 file to uid {bare.root.stat().st_uid}"]
    assert bare.findings() == {}


# What breaks a checkout; the finding; what FIX=1 says that it did.
FIXABLE = {
    "crlf": (lambda d: rewrite(d, "Dockerfile", b"\n", b"\r\n"), "crlf", "converted Dockerfile to Unix line endings"),
}


def rewrite(doctor, name, old, new):
    path = doctor.root / name
    path.write_bytes(path.read_bytes().replace(old, new))


@pytest.mark.parametrize(("breaks", "check", "did"), FIXABLE.values(), ids=list(FIXABLE))
def test_fix_repairs_the_checkout_and_the_next_run_is_clean(bare, breaks, check, did):
    breaks(bare)

    assert list(bare.findings()) == [check]
    (said,) = bare.fix()
    assert said.startswith(did)
    assert bare.findings() == {}


def test_fix_moves_the_page_to_a_free_port(bare):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        write_env(bare, example(bare, WEB_PORT=str(port)))
        assert list(bare.findings()) == ["port"]

        (said,) = bare.fix()

        assert said.startswith("wrote WEB_PORT=")
        assert bare.findings() == {}


def test_check_that_fails_is_a_finding_and_the_others_go_on(bare):
    (bare.root / ".env.example").write_bytes(b"\xff")
    rewrite(bare, "manage.py", b"\n", b"\r\n")

    problems = [one.problem for one in examine(bare.stack({}))]

    assert any("check_secrets failed: UnicodeDecodeError" in problem for problem in problems)
    assert "manage.py has Windows line endings (CRLF)" in problems


def test_text_says_what_why_and_how(bare):
    rewrite(bare, "manage.py", b"\n", b"\r\n")

    assert bare.run().stdout == (
        "\nProblem: manage.py has Windows line endings (CRLF)\n"
        'Why:     Linux looks for a program whose name ends in a carriage return: "no such file or directory".\n'
        "Fix:     make doctor FIX=1 converts it; then set your editor to LF\n"
        "\nmake doctor FIX=1 applies the fixes that cannot lose anything.\n"
    )


def test_json_is_for_machines(bare):
    done = bare.run("--json")

    assert json.loads(done.stdout) == {"fixed": [], "findings": []}


def test_wrong_usage_has_status_2(bare):
    assert bare.run("--frobnicate").returncode == 2


def test_doctor_leaves_nothing_behind(bare):
    before = sorted(bare.root.rglob("*"))

    bare.findings()

    assert sorted(bare.root.rglob("*")) == before


PACKAGE = ROOT / "django_compose_stack"
OLDEST = {"cli.py": 8, "host": 8, "native": 8, "services": 8, "doctor": 9}  # minor versions of Python 3
HOST_SIDE = [
    (path, minor) for name, minor in OLDEST.items() for path in [*PACKAGE.glob(f"{name}/*.py"), PACKAGE / name]
]


@pytest.mark.parametrize(
    ("path", "minor"),
    [pair for pair in HOST_SIDE if pair[0].is_file()],
    ids=lambda value: str(value.relative_to(PACKAGE)) if isinstance(value, Path) else "",
)
def test_programs_of_the_host_are_old_python_of_the_standard_library(path, minor):
    """Native mode imports Django's side only inside functions, once it runs in the environment."""
    tree = ast.parse(path.read_text(), feature_version=(3, minor))

    top = [node for node in ast.walk(tree) if getattr(node, "col_offset", 0) == 0]
    imports = {name.name for node in top if isinstance(node, ast.Import) for name in node.names}
    imports |= {node.module for node in top if isinstance(node, ast.ImportFrom)}
    own = {name for name in imports if name.startswith("django_compose_stack")}
    assert {name.partition(".")[0] for name in imports - own} <= sys.stdlib_module_names
    assert {name.split(".")[1] for name in own if "." in name} <= {"host", "doctor", "native", "services"}
