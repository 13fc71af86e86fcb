"""When a touched file counts as written."""

import os
import threading
import time

from ..files import Files
from ..project import FILE, Project, observe
from ..trace import Trace
from ..watcher import Settling, Watcher, is_native


def drained(watcher, settling):
    for path, mask in watcher.drain():
        settling.note(path, mask, time.monotonic())


def test_a_file_that_is_still_open_is_waited_for(tmp_path):
    watcher, settling = Watcher(), Settling(is_native=True)
    watcher.watch(str(tmp_path))

    with (tmp_path / "views.py").open("w") as file:
        file.write("half")
        file.flush()
        drained(watcher, settling)
        assert settling.due() > time.monotonic() + 0.5
    drained(watcher, settling)

    assert settling.due() == 0
    assert settling.take() == {str(tmp_path / "views.py")}


def test_a_deleted_file_may_come_back(tmp_path):
    path = tmp_path / "views.py"
    path.write_text("old")
    watcher, settling = Watcher(), Settling(is_native=True)
    watcher.watch(str(tmp_path))

    path.rename(tmp_path / "views.py~")
    drained(watcher, settling)
    assert settling.due() > time.monotonic()
    path.write_text("new")
    drained(watcher, settling)

    assert str(path) in settling.ready


def test_a_missing_folder_is_seen_to_appear(tmp_path):
    watcher = Watcher()
    watcher.watch(str(tmp_path / "a/b"))

    (tmp_path / "a").mkdir()

    assert [path for path, _ in watcher.drain()] == [str(tmp_path / "a")]


def test_events_are_there_as_soon_as_the_writer_goes_on(tmp_path):
    """The barrier rests on this."""
    watcher = Watcher()
    watcher.watch(str(tmp_path))
    for number in range(200):
        writer = threading.Thread(target=(tmp_path / "x").write_text, args=(str(number),))
        writer.start()
        writer.join()

        assert {path for path, _ in watcher.drain()} == {str(tmp_path / "x")}


def test_proc_is_not_native(tmp_path):
    assert not is_native("/proc/self")
    assert is_native(os.path.realpath("/tmp")) == is_native("/tmp")


def test_where_no_event_comes_the_files_themselves_are_compared(tmp_path, monkeypatch):
    path = tmp_path / "views.py"
    path.write_text("old")
    trace = Trace()
    trace.add(FILE, str(path), observe(FILE, str(path)))
    files = Files(Project(str(tmp_path)), trace)
    files.is_native = files.settling.is_native = False
    monkeypatch.setattr(files.watcher, "drain", lambda: ())
    files.collect()
    assert files.take() == set()

    path.write_text("newer")
    time.sleep(0.03)
    files.collect()
    time.sleep(0.03)

    assert files.take() == {str(path)}
