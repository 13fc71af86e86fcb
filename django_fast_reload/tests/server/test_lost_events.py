"""A save is live even where the kernel lost, or never sent, the event that tells of it."""

import mmap
import os
import signal
from pathlib import Path

import pytest

from .site import FILES


def test_a_folder_made_again_while_events_were_lost(fresh_site):
    site = fresh_site.start()
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    shop = {path.name: path.read_text() for path in (site.root / "shop").glob("*.py")}

    os.kill(site.process.pid, signal.SIGSTOP)
    for _ in range(queue // 2 + 100):
        (site.root / "blog/views.py").write_text(FILES["blog/views.py"])
        os.utime(site.root / "shop/views.py")
    for name in shop:
        (site.root / "shop" / name).unlink()
    (site.root / "shop").rename(site.root / "gone")
    for name, text in shop.items():
        site.write(f"shop/{name}", text)
    os.kill(site.process.pid, signal.SIGCONT)

    for number in range(1, 20):
        site.write("shop/views.py", FILES["shop/views.py"].replace('"shop"', f'"{number}"'))
        assert site.text("/shop/") == str(number)


WITHOUT_INOTIFY = """
import ctypes

class Library(ctypes.CDLL):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.inotify_init1 = refuse

def refuse(*_):
    ctypes.set_errno(24)
    return -1

ctypes.CDLL = Library
"""


@pytest.fixture
def blind_site(fresh_site):
    """A server that gets no inotify instance."""
    fresh_site.write("blind/sitecustomize.py", WITHOUT_INOTIFY)
    return fresh_site.start(PYTHONPATH=str(fresh_site.root / "blind"))


def test_without_events_a_save_right_after_an_answer_is_live(blind_site):
    site = blind_site
    for number in range(1, 30):
        site.write("blog/views.py", FILES["blog/views.py"].replace("0000", f"{number:04}"))
        assert site.text() == f"{number:04}"
        assert site.text() == f"{number:04}"


def test_without_events_a_write_through_a_map_is_seen(blind_site):
    site = blind_site
    assert site.text() == "0000"
    with (site.root / "blog/views.py").open("r+b") as file, mmap.mmap(file.fileno(), 0) as area:
        at = area.find(b'"0000"')
        for number in range(1, 4):
            area[at : at + 6] = b'"%04d"' % number
            site.until(lambda expected=f"{number:04}": site.text() == expected)
