"""Messages between the supervisor and the processes that hold the project.

Each message is one JSON datagram on a Unix socket pair, and may carry file descriptors.
"""

import json
import socket

LIMIT = 192 * 1024  # bytes; the kernel's default send buffer holds 208 KiB


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, message: dict, *fds: int, flags: int = 0) -> None:
    """Send one message.

    Raises OSError where the other side is gone, BlockingIOError where `flags` forbid to wait for it.
    """
    socket.send_fds(sock, [json.dumps(message).encode()], fds, flags)


def receive(sock: socket.socket, flags: int = 0) -> tuple[dict | None, list[int]]:
    """Return the next message and its descriptors; None in place of the message where the other side is gone."""
    try:
        # Without CLOEXEC every program that the project starts would hold its clients' connections open.
        data, fds, _, _ = socket.recv_fds(sock, LIMIT, 4, flags | socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return None, []
    return (json.loads(data) if data else None), fds
