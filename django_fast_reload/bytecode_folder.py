"""The folder in which workers keep compiled modules; it lives as long as the supervisor."""

import os


def make_folder() -> str:
    """Return a new folder that only this user can write to; empty where there can be none."""
    folder = f"{os.environ.get('TMPDIR') or '/tmp'}/fast-reload-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.mkdir(folder, 0o700)
    except OSError:
        return ""
    return folder


def remove_folder(folder: str) -> None:
    try:
        for name in os.listdir(folder or "/nowhere"):
            os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
    except OSError:
        pass
