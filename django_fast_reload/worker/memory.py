"""The pages of memory that a copy of a process makes its own by writing to them.

The first write to a page that is shared since a fork costs some microseconds, and a reload makes thousands: a fifth of
its time. A copy that stands by can do them before it is needed. The content stays the same.
"""

import ctypes
import os
import sys
from collections.abc import Iterator

from ..project_paths import ProjectPaths

PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
ENTRY = 8  # bytes of /proc/self/pagemap for each page; see the kernel's documentation of pagemap
OWN = 0x81  # in the last of these bytes: in memory, and mapped by this process alone
MAX_RUNS = 4000  # in one message
POPULATE_WRITE = 23  # since Linux 5.14; before, madvise() refuses it and nothing is gained

HARMLESS = {"django", "asgiref", "psycopg", "psycopg_binary", *sys.stdlib_module_names}  # may be imported ahead

libc = ctypes.CDLL(None)


def writable() -> Iterator[tuple[int, int]]:
    """Yield first page and page after the last of each private area that this process can write to."""
    with open("/proc/self/maps") as file:
        for line in file:
            span, mode = line.split(" ", 2)[:2]
            if mode == "rw-p":
                start, end = span.split("-")
                yield int(start, 16) // PAGE, int(end, 16) // PAGE


def own() -> list[tuple[int, int]]:
    """Return the runs of pages that are this process's own, as (first page, number); none where Linux won't tell."""
    runs = []
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as file:
            for start, end in list(writable()):
                states = os.pread(file.fileno(), (end - start) * ENTRY, start * ENTRY)[ENTRY - 1 :: ENTRY]
                for page, state in enumerate(states, start):
                    if state & OWN != OWN:
                        continue
                    if runs and page == sum(runs[-1]):
                        runs[-1] = (runs[-1][0], runs[-1][1] + 1)
                    else:
                        runs.append((page, 1))
    except OSError:
        return []
    return runs[:MAX_RUNS]


def make_own(first: int, number: int) -> None:
    """Do to these pages, as far as there are any, what a first write to each would do."""
    libc.madvise(ctypes.c_void_p(first * PAGE), ctypes.c_size_t(number * PAGE), POPULATE_WRITE)


def late_modules(project: ProjectPaths, loaded: set[str]) -> list[str]:
    """Return the modules that were imported since these and that a copy may import ahead: none of the project's."""
    return [
        name
        for name, module in list(sys.modules.items())
        if name not in loaded
        and name.partition(".")[0] in HARMLESS
        and not ((path := getattr(module, "__file__", None)) and project.locate(path, code=True))
    ]
