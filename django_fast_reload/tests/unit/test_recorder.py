"""What a loading process uses is noted once, in order, and what it writes is not."""

import os

import pytest

from ... import ipc
from ...journal import Journal
from ...observation import FILE, LINK, LIST, observe
from ...project_paths import ProjectPaths
from ...worker.recorder import Recorder


@pytest.fixture
def supervisor():
    """The other side: {"sock": socket, "journal": Journal}."""
    ours, theirs = ipc.pair()
    journal = Journal()
    yield {"sock": ours, "journal": journal, "theirs": theirs}
    ours.close()
    theirs.close()
    journal.close()


@pytest.fixture
def recorder(tmp_path, supervisor, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.json").write_text("{}")
    writer = Journal(os.dup(supervisor["journal"].fd))
    yield Recorder(ProjectPaths(str(tmp_path)), supervisor["theirs"], writer)
    writer.close()


def recorded(recorder, supervisor):
    recorder.flush()
    return supervisor["journal"].read()


def test_a_file_that_is_opened_is_noted_once(recorder, supervisor, tmp_path):
    path = f"{tmp_path}/data.json"
    for name in (path, "data.json", os.fsencode(path), tmp_path / "data.json"):
        recorder.audit("open", (name, "r", os.O_RDONLY))

    assert recorded(recorder, supervisor) == [[FILE, path, observe(FILE, path)]]
    assert recorder.count == 1


@pytest.mark.parametrize("path", ["/usr/lib/os-release", "{}/.venv/lib/site-packages/a.py", 7])
def test_files_of_others_and_descriptors_are_not_noted(recorder, supervisor, tmp_path, path):
    recorder.audit("open", (path.format(tmp_path) if isinstance(path, str) else path, "r", 0))

    assert recorded(recorder, supervisor) == []


def test_a_file_that_start_up_writes_is_no_dependency(recorder, supervisor, tmp_path):
    path = f"{tmp_path}/debug.log"

    recorder.audit("open", (path, "a", os.O_WRONLY | os.O_APPEND))
    recorder.audit("open", (path, "r", os.O_RDONLY))

    assert recorded(recorder, supervisor) == [["written", path, ""]]


def test_a_file_behind_a_link_is_noted_as_well(recorder, supervisor, tmp_path):
    (tmp_path / "link.json").symlink_to("data.json")
    value = observe(FILE, f"{tmp_path}/data.json")

    recorder.audit("open", ("link.json", "r", 0))

    assert recorded(recorder, supervisor) == [
        [LINK, f"{tmp_path}/link.json", "data.json"],
        [FILE, f"{tmp_path}/data.json", value],
        [FILE, f"{tmp_path}/link.json", value],
    ]


def test_a_folder_that_is_listed_is_noted(recorder, supervisor, tmp_path):
    recorder.audit("os.listdir", (None,))

    assert recorded(recorder, supervisor) == [[LIST, str(tmp_path), observe(LIST, str(tmp_path))]]


def test_what_the_recorder_itself_looks_at_is_not_noted(recorder, supervisor):
    with recorder.unobserved():
        recorder.audit("open", ("data.json", "r", 0))

    assert recorded(recorder, supervisor) == []


def test_requests_read_data_afresh_so_it_is_not_noted(recorder, supervisor):
    recorder.is_loading = False

    recorder.audit("open", ("data.json", "r", 0))

    assert recorded(recorder, supervisor) == []


def test_records_of_requests_are_sent_at_once(recorder, supervisor):
    recorder.is_loading = False

    recorder.add(FILE, "/project/late.py", "1")

    assert supervisor["journal"].read() == [[FILE, "/project/late.py", "1"]]
    assert ipc.receive(supervisor["sock"])[0] == ipc.Recorded()


def test_a_debugger_during_the_load_is_told(recorder, supervisor):
    recorder.audit("pdb.Pdb", (None,))

    message, _ = ipc.receive(supervisor["sock"])
    assert isinstance(message, ipc.Debugging)
