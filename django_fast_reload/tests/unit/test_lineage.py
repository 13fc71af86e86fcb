"""Which snapshots are kept, and how much memory they may hold."""

import os
import subprocess
import sys
import time

import pytest

from ... import ipc
from ...supervisor import lineage
from ...supervisor.handles import Snapshot
from ...supervisor.lineage import MAX_SNAPSHOTS, Lineage, least_useful


class Loop:
    def register(self, *_):
        pass

    unregister = register


class Socket:
    def close(self):
        pass


def snapshots(times: dict[str, float]) -> list[Snapshot]:
    return [Snapshot(Socket(), 0, number, *item) for number, item in enumerate(times.items())]


def make(times: dict[str, float], hot: tuple[str, ...] = ()) -> Lineage:
    line = Lineage({}, {}, "", Loop())
    line.hot = list(hot)
    for snapshot in snapshots(times):
        line.add(snapshot)
    return line


def names(line: Lineage) -> list[str]:
    return [snapshot.before for snapshot in line.snapshots]


def test_the_one_taken_soonest_after_another_goes_first():
    assert least_useful(snapshots({"a": 0.0, "b": 1.0, "c": 1.1, "d": 3.0}), []).before == "c"
    assert least_useful(snapshots({"a": 0.0, "b": 1.0, "c": 1.1, "d": 3.0}), ["c"]).before == "b"
    assert least_useful(snapshots({"a": 0.0}), []) is None


def test_there_are_never_more_than_the_bound():
    line = make({str(number): number * number for number in range(MAX_SNAPSHOTS + 3)})

    # 1 went for its gap of 1, then 2 for 4, which is 2² - 0, then 4 for 7: by then that of 3 was 9.
    assert names(line) == ["0", "3", *map(str, range(5, MAX_SNAPSHOTS + 3))]


def test_those_that_hold_too_much_memory_go_and_the_first_stays(monkeypatch):
    line = make({"a": 0.0, "b": 1.0, "c": 1.1, "d": 3.0}, hot=("d",))
    monkeypatch.setattr(Snapshot, "memory", lambda snapshot: 100)

    monkeypatch.setattr(lineage, "MAX_MEMORY", 300)
    line.save_memory()
    assert names(line) == ["a", "b", "d"]

    monkeypatch.setattr(lineage, "MAX_MEMORY", 50)
    line.save_memory()
    assert names(line) == ["a"]


def test_memory_is_what_a_process_holds_of_its_own():
    script = "import sys; data = bytearray(b'x') * (64 << 20); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert 64 << 20 <= Snapshot(Socket(), process.pid, 0, "").memory() < 128 << 20
        process.stdin.close()
    assert Snapshot(Socket(), process.pid, 0, "").memory() == 0
    assert os.WIFEXITED(process.returncode)


@pytest.mark.parametrize(
    ("message", "is_longer"), [(ipc.Debugging(), True), (ipc.Busy(), True), (ipc.Recorded(), False)]
)
def test_replaced_process_that_is_debugged_or_busy_gets_more_time(message, is_longer):
    ours, theirs = ipc.pair()
    worker = type("Worker", (), {"sock": ours})()
    line = make({})
    line.retired[worker] = 0.0
    ipc.send(theirs, message)

    line.take_message(worker)

    assert (line.retired[worker] > time.monotonic()) is is_longer
