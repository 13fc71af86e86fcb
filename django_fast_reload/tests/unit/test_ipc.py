"""Messages arrive as they were sent, and their journal can be read after its writer has ended."""

import os
import socket

import pytest

from ... import ipc
from ...journal import Journal

EXAMPLES = {
    "str": "text",
    "int": 7,
    "bool": True,
    "list[str]": ["a", "é"],
    "list[list[int]]": [[1, 2]],
    "dict": {"port": 1},
    "list[dict]": [{"line": 1}],
    "float": 0.5,
    str(ipc.Failure): ipc.plain_failure("NameError"),
}


def example(kind):
    annotations = [getattr(of, "__forward_arg__", None) or of for of in kind.__annotations__.values()]
    return kind(*(EXAMPLES[of.__name__ if of in (str, int, bool, dict, float) else str(of)] for of in annotations))


@pytest.fixture
def sockets():
    pair = ipc.pair()
    yield pair
    for sock in pair:
        sock.close()


@pytest.mark.parametrize("kind", ipc.KINDS.values())
def test_every_kind_of_message_arrives_as_it_was_sent(sockets, kind):
    message = example(kind)

    ipc.send(sockets[0], message)
    received, fds = ipc.receive(sockets[1])

    assert (type(received), received, fds) == (kind, message, [])


def test_every_message_class_is_a_kind():
    assert {"Orders", "Connection", "Serving", "DebuggerPort"} <= ipc.KINDS.keys()
    assert {kind.__bases__ for kind in ipc.KINDS.values()} == {(tuple,)}


def test_descriptors_come_along_and_are_not_inherited(sockets):
    read, write = os.pipe()

    ipc.send(sockets[0], ipc.Connection(), write)
    os.close(write)
    _, [fd] = ipc.receive(sockets[1])

    assert not os.get_inheritable(fd)
    os.write(fd, b"through")
    assert os.read(read, 10) == b"through"
    os.close(fd)
    os.close(read)


def test_none_is_received_where_the_other_side_is_gone(sockets):
    sockets[0].close()

    assert ipc.receive(sockets[1]) == (None, [])
    with pytest.raises(OSError):
        ipc.send(sockets[1], ipc.Stop())


def test_a_full_socket_does_not_block_the_sender(sockets):
    with pytest.raises(BlockingIOError):
        for _ in range(10_000):
            ipc.send(sockets[0], ipc.Recorded(), flags=socket.MSG_DONTWAIT)


def test_what_was_written_to_a_journal_is_read_once_and_in_order():
    writer = Journal()
    reader = Journal(os.dup(writer.fd))

    writer.write([["file", "a", "1"], ["look", "b", ""]])
    assert reader.read() == [["file", "a", "1"], ["look", "b", ""]]
    writer.write([["file", "ü" * 200_000, "2"]])
    writer.close()

    assert reader.read() == [["file", "ü" * 200_000, "2"]]
    assert reader.read() == []
    reader.close()


def test_a_line_that_is_not_complete_is_left_for_later():
    journal = Journal()
    journal.write(["a"])
    os.write(journal.fd, b'["b')
    assert journal.read() == ["a"]

    os.write(journal.fd, b'"]\n')

    assert journal.read() == ["b"]
    journal.close()


def test_a_message_of_any_size_arrives_with_its_descriptors():
    ours, theirs = ipc.pair()
    message = ipc.Folders(["/folder" * 1000] * 100, [])
    with ours, theirs:
        ipc.send(ours, message, ours.fileno())

        received, fds = ipc.receive(theirs)

    assert received == message
    assert len(fds) == 1
    os.close(fds[0])
