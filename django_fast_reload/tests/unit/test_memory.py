"""Memory that a copy of a process has copied before it is needed."""

import ctypes
import mmap
import os
import resource

import pytest

from ...worker import memory as memory_pages

# pytest-xdist has threads; the copies do nothing that would wait for one of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

SIZE = 200  # pages; an exit status can count them
KERNEL = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))


def in_a_copy(work) -> int:
    """Return the exit status of `work` in a forked process: what it returns, or 255 where it raised."""
    pid = os.fork()
    if not pid:
        try:
            os._exit(work())
        finally:
            os._exit(255)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def memory():
    with mmap.mmap(-1, SIZE * memory_pages.PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        area.write(b"x" * len(area))
        yield area


def first_page(area) -> int:
    holder = ctypes.c_char.from_buffer(area)
    try:
        return ctypes.addressof(holder) // memory_pages.PAGE
    finally:
        del holder


def count(runs, first) -> int:
    """Return how many pages of the area are in the runs."""
    return sum(page in range(first, first + SIZE) for start, number in runs for page in range(start, start + number))


def test_pages_that_were_written_since_the_fork_are_a_copy_s_own(memory):
    first = first_page(memory)

    def write() -> int:
        before = count(memory_pages.own(), first)
        for page in 3, 4, 5, 100:
            memory[page * memory_pages.PAGE] = 1
        assert before == 0
        assert (first + 3, 3) in memory_pages.own()
        return count(memory_pages.own(), first)

    assert in_a_copy(write) == 4


@pytest.mark.skipif(KERNEL < (5, 14), reason="this kernel can't do it, and loses nothing but time")
def test_a_page_made_own_keeps_its_content_and_costs_no_fault_later(memory):
    first = first_page(memory)

    def write() -> int:
        memory_pages.make_own(first, SIZE)
        assert memory[:] == b"x" * len(memory)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for page in range(SIZE):
            memory[page * memory_pages.PAGE] = 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    assert in_a_copy(write) < SIZE / 4


def test_addresses_where_nothing_is_are_passed_over(memory):
    first = first_page(memory)
    memory.close()

    def make() -> int:
        memory_pages.make_own(first, SIZE)
        memory_pages.make_own(0, 1)
        return 0

    assert in_a_copy(make) == 0
