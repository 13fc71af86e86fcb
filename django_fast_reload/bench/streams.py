"""What a save does to a client that holds a websocket, or a stream of server-sent events, and comes back when it ends.

The time is from the end of the write to the first word of the new code. Refused: attempts to come back that failed.
Stale: answers and events of older code to what was asked or came after the save. Lost: ends without a close.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from django_fast_reload.tests.server import clients

PAUSE = 0.005  # seconds
GIVE_UP = 10.0  # seconds
IN_FLIGHT = 0.02  # seconds in which an event may still be on its way


class WebSocket(clients.WebSocket):
    def __init__(self, port: int):
        super().__init__(port, "/ws", GIVE_UP)

    def next(self) -> tuple[int | None, bool]:
        """Return the number in the next word, or None at the end, and whether that end was in order."""
        try:
            answer = self.ask("?")
        except OSError:
            return None, False
        return (int(answer), True) if isinstance(answer, str) else (None, answer is not None)


class Events(clients.Events):
    def next(self) -> tuple[int | None, bool]:
        try:
            answer = self.receive()
        except OSError:
            return None, False
        return (int(answer), True) if answer is not None else (None, True)


CLIENTS = {"websocket": WebSocket, "events": Events}


def follow(client, connect, port: int, number: int, result) -> bool:
    """Stay with the client until it hears the number, by way of as many connections as that takes.

    Return False where it never does: a server may wait for the end of a stream that has none.
    """
    saved = time.monotonic()
    is_first = True
    while time.monotonic() < saved + GIVE_UP:
        found = None
        if client is not None:
            found, is_orderly = client.next()
            if found == number:
                client.close()
                return True
            if found is None:
                result.lost += is_first and not is_orderly
                client.close()
                client, is_first = None, False
            elif connect is WebSocket or not is_first or time.monotonic() > saved + IN_FLIGHT:
                result.stale += 1
        if client is None:
            try:
                client = connect(port)
                continue
            except (OSError, ValueError, IndexError):
                result.refused += 1
        time.sleep(PAUSE)
    if client is not None:
        client.close()
    return False
