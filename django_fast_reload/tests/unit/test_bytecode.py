"""Compiled modules are found again by content, never by time."""

import marshal
from importlib.machinery import SourceFileLoader

import pytest

from ...supervisor.loader import bytecode_folder
from ...worker import bytecode as module
from ...worker.bytecode import Bytecode


class Loader(SourceFileLoader):
    compiled = 0

    def source_to_code(self, *args, **kwargs):
        Loader.compiled += 1
        return super().source_to_code(*args, **kwargs)


@pytest.fixture
def load(tmp_path, monkeypatch):
    Loader.compiled = 0
    monkeypatch.setattr(module, "PLAIN", Loader.source_to_code)  # Else it would count as an import hook.
    bytecode = Bytecode(str(tmp_path))

    def run(source, path="/project/a.py"):
        found = {}
        exec(bytecode.load(Loader("a", path), path, source), found)
        return found["X"]

    return run


def test_the_same_source_is_compiled_once(load):
    assert [load(b"X = 1"), load(b"X = 1")] == [1, 1]
    assert Loader.compiled == 1


def test_another_source_of_the_same_length_is_another_module(load):
    assert [load(b"X = 1"), load(b"X = 2"), load(b"X = 1")] == [1, 2, 1]


def test_a_module_has_one_file(load, tmp_path):
    for number in range(5):
        load(b"X = %d" % number)

    assert len(list(tmp_path.iterdir())) == 1


def test_tracebacks_name_the_file_that_was_asked_for(load):
    """Two files with the same text are two modules."""
    load(b"X = 1", "/project/a.py")
    load(b"X = 1", "/project/b.py")

    assert Loader.compiled == 2


def test_a_damaged_file_is_compiled_again(load, tmp_path):
    load(b"X = 1")
    [path] = tmp_path.iterdir()
    path.write_bytes(marshal.dumps(compile("X = 9", "a", "exec"))[:-5])

    assert load(b"X = 1") == 1
    assert Loader.compiled == 2


def test_without_a_folder_everything_is_compiled(tmp_path):
    code = Bytecode("").load(Loader("a", "/a.py"), "/a.py", b"X = 1")

    assert code.co_filename == "/a.py"


def test_what_an_import_hook_compiles_is_not_kept(load, monkeypatch):
    monkeypatch.setattr(module, "PLAIN", SourceFileLoader.source_to_code)

    assert [load(b"X = 1"), load(b"X = 1")] == [1, 1]
    assert Loader.compiled == 2


def test_an_error_of_the_source_is_raised_as_it_is(load):
    with pytest.raises(SyntaxError, match="invalid syntax"):
        load(b"X = = 1")


def test_the_folder_is_private(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    folder = bytecode_folder()

    [path] = tmp_path.iterdir()
    assert (str(path), path.stat().st_mode & 0o777) == (folder, 0o700)


def test_where_no_folder_can_be_made_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))

    assert bytecode_folder() == ""
