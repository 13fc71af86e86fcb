"""When a touched file counts as written."""

import ctypes
import os
import threading
import time
from importlib.machinery import EXTENSION_SUFFIXES
from types import SimpleNamespace

import pytest

from ...observation import FILE, LIST, LOOK, observe
from ...project_paths import ProjectPaths
from ...supervisor import inotify
from ...supervisor.dependencies import Dependencies
from ...supervisor.files import Files
from ...supervisor.inotify import OVERFLOW, Watcher, is_native
from ...supervisor.settling import Settling


def taken(files) -> set[str]:
    """Wait until the touched files have settled; return them."""
    while files.wait() is not None:
        if paths := files.take():
            return paths
        time.sleep(files.wait() or 0)
    return set()


def watching_names(folder) -> Files:
    """Return what watches the names in a folder, which were used."""
    dependencies = Dependencies()
    dependencies.add(LIST, str(folder), observe(LIST, str(folder)))
    files = Files(ProjectPaths(str(folder)), dependencies)
    files.watch(dependencies.values)
    return files


def collect_afresh(files) -> None:
    """Scan the files whatever the age of the last scan."""
    files.swept = 0.0
    files.collect()


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

    assert settling.pending[str(path)] == 0


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
    dependencies = Dependencies()
    dependencies.add(FILE, str(path), observe(FILE, str(path)))
    files = Files(ProjectPaths(str(tmp_path)), dependencies)
    files.is_native = files.settling.is_native = False
    monkeypatch.setattr(files.watcher, "drain", lambda: ())
    files.collect()
    assert files.take() == set()

    path.write_text("newer")
    collect_afresh(files)

    assert str(path) in taken(files)


def test_two_saves_at_the_same_time_of_a_coarse_clock(tmp_path, monkeypatch):
    path = tmp_path / "views.py"
    path.write_text("old")
    dependencies = Dependencies()
    dependencies.add(FILE, str(path), observe(FILE, str(path)))
    files = Files(ProjectPaths(str(tmp_path)), dependencies)
    files.is_native = files.settling.is_native = False
    monkeypatch.setattr(files.watcher, "drain", lambda: ())
    now = time.time_ns()
    os.utime(path, ns=(now, now))
    files.sweep()

    path.write_text("new")
    os.utime(path, ns=(now, now))
    files.sweep()

    assert str(path) in taken(files)


@pytest.mark.parametrize("record", [(LOOK, "django"), (LIST, "")])
def test_a_log_file_beside_what_was_used_holds_up_no_request(tmp_path, record):
    """Import has looked for `django` in the project's own folder first, and something has listed that folder."""
    kind, name = record
    path = f"{tmp_path}/{name}".rstrip("/")
    dependencies = Dependencies()
    log = (tmp_path / "django.log").open("w")
    dependencies.add(kind, path, observe(kind, path))
    files = Files(ProjectPaths(str(tmp_path)), dependencies)
    files.watch(dependencies.values)

    log.write("GET /")
    log.flush()
    files.collect()

    assert files.wait() is None
    log.close()


@pytest.mark.parametrize("name", ["django.py", f"django{EXTENSION_SUFFIXES[0]}", "django"])
def test_what_import_would_find_first_is_seen(tmp_path, name):
    dependencies = Dependencies()
    dependencies.add(LOOK, f"{tmp_path}/django", "")

    assert dependencies.related(f"{tmp_path}/{name}") == [(LOOK, f"{tmp_path}/django")]


def test_a_new_file_in_a_listed_folder_is_settled_when_it_is_closed(tmp_path):
    files = watching_names(tmp_path)

    (tmp_path / "new.txt").write_text("text")
    files.collect()

    assert files.take() == {str(tmp_path / "new.txt")}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_sweep_adds_no_folder_to_the_file_that_an_event_names(tmp_path, is_first):
    """For tests, a folder is a change that concerns all of them."""
    files = watching_names(tmp_path)
    files.sweep()

    (tmp_path / "new.txt").write_text("text")
    if is_first:
        files.collect()
    files.sweep()

    assert taken(files) == {str(tmp_path / "new.txt")}


def test_a_sweep_sees_the_folder_of_which_no_event_tells(tmp_path, monkeypatch):
    files = watching_names(tmp_path)
    files.sweep()
    (tmp_path / "first.txt").write_text("text")
    files.sweep()
    taken(files)
    monkeypatch.setattr(files.watcher, "drain", list)

    (tmp_path / "second.txt").write_text("text")
    files.sweep()

    assert taken(files) == {str(tmp_path)}


@pytest.mark.parametrize(("function", "number"), [("inotify_init1", 24), ("inotify_add_watch", 28)])
def test_without_watches_the_files_themselves_are_compared(tmp_path, monkeypatch, function, number):
    """EMFILE: this user has too many instances. ENOSPC: too many watches."""

    def refuse(*_):
        ctypes.set_errno(number)
        return -1

    library = SimpleNamespace(
        inotify_init1=inotify.libc.inotify_init1, inotify_add_watch=inotify.libc.inotify_add_watch
    )
    monkeypatch.setattr(library, function, refuse)
    monkeypatch.setattr(inotify, "libc", library)
    (tmp_path / "templates").mkdir()
    for name in ("views.py", "templates/page.html"):
        (tmp_path / name).write_text("old")
    dependencies = Dependencies()
    dependencies.add(FILE, f"{tmp_path}/views.py", observe(FILE, f"{tmp_path}/views.py"))
    files = Files(ProjectPaths(str(tmp_path)), dependencies)
    files.watch(dependencies.values)
    files.watch_below([f"{tmp_path}/templates"], [])

    for name in ("views.py", "templates/page.html", "templates/new.html"):
        (tmp_path / name).write_text("newer")
    collect_afresh(files)

    assert taken(files) >= {f"{tmp_path}/{name}" for name in ("views.py", "templates/page.html", "templates/new.html")}


def test_a_long_look_at_templates_is_not_taken_at_each_request(tmp_path, monkeypatch):
    files = Files(ProjectPaths(str(tmp_path)), Dependencies())
    files.is_native = files.settling.is_native = False
    looks = []
    monkeypatch.setattr(files, "scan_below", lambda: time.sleep(0.1) or looks.append(1) or {})
    monkeypatch.setattr(files.watcher, "drain", lambda: ())

    for _ in range(4):
        collect_afresh(files)

    assert len(looks) == 1


def test_lost_events_make_all_files_suspect(tmp_path, monkeypatch):
    (tmp_path / "templates").mkdir()
    page = tmp_path / "templates/page.html"
    page.write_text("old")
    files = Files(ProjectPaths(str(tmp_path)), Dependencies())
    files.watch_below([str(page.parent)], [])
    monkeypatch.setattr(files.watcher, "drain", lambda: [("", OVERFLOW)])

    files.collect()

    assert taken(files) == {str(page)}


@pytest.mark.parametrize("kind", ["above", "worktree", "none"])
def test_the_lock_of_git_is_found(tmp_path, kind):
    root = tmp_path / "repository/backend"
    root.mkdir(parents=True)
    folder = tmp_path / "main/.git/worktrees/one" if kind == "worktree" else tmp_path / "repository/.git"
    if kind != "none":
        folder.mkdir(parents=True)
    if kind == "worktree":
        (tmp_path / "repository/.git").write_text(f"gitdir: {folder}\n")
    files = Files(ProjectPaths(str(root)), Dependencies())
    assert not files.is_git_busy()

    files.suspect([str(root / "views.py")])
    if kind != "none":
        (folder / "index.lock").touch()

    assert files.is_git_busy() == (kind != "none")


def test_names_that_are_no_text_are_names(tmp_path):
    before = observe(LIST, str(tmp_path))
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "w"):
        pass

    assert observe(LIST, str(tmp_path)) != before
