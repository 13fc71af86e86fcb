"""Compiled modules of the project, one file each, kept for as long as the server runs and compared by their content.

Python's own .pyc files are valid while size and whole second of the source match, which two quick saves share.
"""

import marshal
import os
from contextlib import suppress
from importlib.machinery import SourceFileLoader

from ..observation import digest

PLAIN = SourceFileLoader.source_to_code


def as_importlib(function):
    """Let Python leave a function out of tracebacks, as it does its own that import."""
    function.__code__ = function.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")
    return function


class Bytecode:
    """A folder of code objects; without one (folder is empty), everything is compiled each time."""

    def __init__(self, folder: str):
        self.folder = folder

    @as_importlib
    def load(self, loader, path: str, source: bytes):
        """Return the code object of `source`. Raises what compiling it raises."""
        # An import hook makes of the source what it likes, and by settings of its own: typeguard, beartype, Hy.
        if not self.folder or getattr(loader.source_to_code, "__func__", None) is not PLAIN:
            return loader.source_to_code(source, path)
        name, content = f"{self.folder}/{digest(os.fsencode(path))}", digest(source).encode()
        with suppress(OSError, ValueError, EOFError):
            with open(name, "rb", buffering=0) as file:
                data = file.read()
            if data.startswith(content):
                return marshal.loads(memoryview(data)[len(content) :])
        code = loader.source_to_code(source, path)
        part = f"{name}.{os.getpid()}"
        try:
            with open(part, "wb") as file:
                file.write(content + marshal.dumps(code))
            os.rename(part, name)
        except OSError:  # A full disk costs time, nothing else.
            with suppress(OSError):
                os.unlink(part)
        return code
