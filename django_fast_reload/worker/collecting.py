"""Have pytest's own ways to load files recorded, besides those of import."""

import inspect
import os

from _pytest.assertion import rewrite
from _pytest.config import PytestPluginManager

from ..observation import CODE, LOOK
from .snapshotter import Snapshotter


def install(snapshotter: Snapshotter) -> None:
    """Hook into the import of modules whose assertions are rewritten, and into the search for conftest.py."""
    recorder = snapshotter.recorder
    exec_module = rewrite.AssertionRewritingHook.exec_module
    load_conftests = PytestPluginManager._loadconftestmodules

    def execute_and_record(hook, module):
        __tracebackhide__ = True
        path = recorder.project.locate(os.path.abspath(module.__spec__.origin), code=True)
        if path is not None:
            snapshotter.checkpoint(path)
            recorder.add(CODE, path)
            recorder.flush()
        return exec_module(hook, module)

    def load_and_record(manager, path, *args, **options):
        folder = path if path.is_dir() else path.parent
        for each in (folder, *folder.parents):
            look(recorder, f"{each}/conftest")
        return load_conftests(manager, path, *args, **options)

    rewrite.AssertionRewritingHook.exec_module = execute_and_record
    PytestPluginManager._loadconftestmodules = load_and_record
    if "source_hash" not in inspect.signature(rewrite._write_pyc).parameters:
        # In older versions a .pyc is valid while size and whole second of the source match.
        rewrite._read_pyc = lambda *args: None


def look(recorder, name: str) -> None:
    """Record what is found under a name, as import does: a file or a folder, without suffix."""
    folder, _, last = name.rpartition("/")
    folder = recorder.project.locate(f"{folder}/")
    if folder is not None:
        recorder.add(LOOK, folder + last)
