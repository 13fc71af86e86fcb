import socket
import subprocess

import pytest

from django_compose_stack.host import apart


@pytest.fixture
def env(tmp_path, monkeypatch):
    """The .env of a checkout, which is not there yet."""
    for name in ("WEB_PORT", "WEB_HOST", "COMPOSE_PROJECT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(apart, "ENV", tmp_path / ".env")
    return tmp_path / ".env"


@pytest.fixture
def taken(monkeypatch):
    """A port that a program listens on, and that counts as the usual one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(apart, "USUAL", port)
        yield port


def test_free_port_is_left_alone(env, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(apart, "USUAL", server.getsockname()[1])

    apart.claim(has_engine=False)

    assert not env.exists()


def test_next_free_port_is_written_and_kept(env, taken, capsys):
    apart.claim(has_engine=False)

    port = apart.of_page()
    assert port > taken
    assert env.read_text() == f"WEB_PORT={port}\n"
    assert capsys.readouterr().err == (f"stack: port {taken} is taken, so .env has WEB_PORT={port} from now on\n")

    apart.claim(has_engine=False)

    assert apart.of_page() == port


def test_port_that_was_taken_meanwhile_gives_way_to_the_next(env, taken):
    apart.claim(has_engine=False)
    port = apart.of_page()
    with socket.create_server(("127.0.0.1", port)):
        apart.claim(has_engine=False)

    assert apart.of_page() > port


def test_port_that_only_the_engine_knows_is_passed_over(env, taken, monkeypatch):
    next_free = apart.free_port("127.0.0.1", taken)
    monkeypatch.setattr(apart, "is_published", lambda port: port == next_free)

    apart.claim(has_engine=True)

    assert apart.of_page() > next_free


def test_rest_of_env_stays(env, taken):
    env.write_text("# ours\nDEBUG=true\n")

    apart.claim(has_engine=False)

    assert env.read_text() == f"# ours\nDEBUG=true\n\nWEB_PORT={apart.of_page()}\n"


@pytest.mark.parametrize(
    ("projects", "expected"),
    [
        ([], ""),
        ([("shop", "HERE")], ""),
        ([("shop", "/nowhere/shop")], ""),
        ([("other", "THERE")], ""),
        ([("shop", "THERE")], "COMPOSE_PROJECT_NAME=shop-2\n"),
        ([("shop", "THERE"), ("shop-2", "THERE")], "COMPOSE_PROJECT_NAME=shop-3\n"),
    ],
    ids=["nothing runs", "own containers", "folder moved", "another name", "namesake", "two namesakes"],
)
def test_folder_of_the_same_name_gets_a_project_of_its_own(env, tmp_path, projects, expected):
    here, there = tmp_path / "a/Shop!", tmp_path / "b/shop"
    there.mkdir(parents=True)
    places = {"HERE": str(here), "THERE": str(there)}

    apart.keep_apart(here, [(name, places.get(folder, folder)) for name, folder in projects])

    assert (env.read_text() if env.exists() else "") == expected


def test_no_engine_publishes_nothing(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    assert apart.is_published(8000) is False
    with pytest.raises(FileNotFoundError):
        subprocess.run(["docker"])
