"""Nothing that is open in an old process is open in a new one too: no connection, no memory, no lock."""

import re
import socket

import pytest

from .site import FILES


def save_view(site, name: str = "0000") -> str:
    """Save a view that nothing else depends on; return what it answers."""
    site.edit("blog/views.py", 'VERSION = "', f'VERSION = "{name}')
    return site.text()


@pytest.fixture
def peer():
    """A port at which connections are accepted."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


def test_a_connection_is_never_shared_whatever_its_number(site, peer):
    """A resumed process has other descriptors free than the first one."""
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(str(os.fstat(SOCKET.fileno()).st_ino))")
    site.edit("blog/views.py", "import os", "from shop.models import SOCKET\nimport os")
    for count in range(9):
        logs = f"import socket\nLOGS = [open(f'log{{n}}', 'a') for n in range({count})]\n"
        connection = f"SOCKET = socket.create_connection(('127.0.0.1', {peer}))\n"
        site.write("shop/models.py", logs + connection + FILES["shop/models.py"])
        site.get()
        site.edit("blog/words.py", 'WORD = "', 'WORD = "x')
        site.get()

        first, second = save_view(site), save_view(site)

        assert first != second, f"with {count} files open"
    for path in site.root.glob("log*"):
        path.unlink()


@pytest.mark.parametrize(
    ("code", "use"),
    [
        ("import multiprocessing\nSHARED = multiprocessing.Lock()", "SHARED.acquire(timeout=0.1)"),
        ("import mmap\nSHARED = mmap.mmap(-1, 4096)", "SHARED[0] == 0 and SHARED.write(b'x') == 1"),
    ],
)
def test_memory_shared_between_processes_is_never_inherited(site, code, use):
    """A lock that the old process holds would stop every later one."""
    site.edit("shop/models.py", "class Item", f"{code}\nclass Item")
    site.edit("blog/views.py", "HttpResponse(VERSION)", f"HttpResponse(str({use}))")
    site.edit("blog/views.py", "import os", "from shop.models import SHARED\nimport os")
    assert site.text() == "True"

    assert [save_view(site) for _ in range(2)] == ["True", "True"]
    # Since Python 3.14 a lock also opens a pipe to a program that looks after it, and that is what is said.
    assert re.search("no snapshot can be taken.*(shares memory|a pipe)", site.log.read_text())


def test_each_process_reads_a_file_at_a_position_of_its_own(site):
    site.write("words.bin", "abcdef")
    site.edit("shop/models.py", "class Item", "FILE = open('words.bin', 'rb', buffering=0)\nclass Item")
    site.edit("blog/views.py", "import os", "from shop.models import FILE\nimport os")
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(FILE.read(1))")
    assert site.text() == "a"
    assert save_view(site) == "a"
    assert save_view(site) == "a"
