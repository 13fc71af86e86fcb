"""Single keys of the terminal, while nobody else reads there."""

import os
import selectors
import sys
import termios
from collections.abc import Callable

ERASE = "\x7f\b"


class Keyboard:
    """on_key: called with a, f, a line feed, or with "/" and the words that were typed behind it."""

    def __init__(self, loop: selectors.BaseSelector, on_key: Callable[[str], None]):
        self.loop, self.on_key = loop, on_key
        self.is_there = sys.stdin is not None and sys.stdin.isatty()
        self.is_open = False
        self.line: str | None = None  # what is being typed behind "/"

    def open(self) -> None:
        if self.is_there and not self.is_open:
            self.is_open = True
            modes = self.modes = termios.tcgetattr(sys.stdin)
            modes = [*modes[:3], modes[3] & ~(termios.ICANON | termios.ECHO), *modes[4:]]
            termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
            self.loop.register(sys.stdin, selectors.EVENT_READ, self.read)

    def close(self) -> None:
        """Leave the terminal to whatever reads there now: a debugger."""
        if self.is_open:
            self.is_open = False
            self.loop.unregister(sys.stdin)
            termios.tcsetattr(sys.stdin, termios.TCSANOW, self.modes)

    def read(self) -> None:
        data = os.read(sys.stdin.fileno(), 1024)
        if not data:
            self.close()
        for key in data.decode(errors="ignore"):
            self.press(key)

    def press(self, key: str) -> None:
        if self.line is None:
            if key == "/":
                self.line = ""
                self.echo("\nTests with (as pytest -k): ")
            elif key in "af\n":
                self.on_key(key)
        elif key == "\n":
            line, self.line = self.line, None
            self.echo("\n")
            self.on_key(f"/{line}")
        elif key in ERASE:
            self.echo("\b \b" if self.line else "")
            self.line = self.line[:-1]
        elif key.isprintable():
            self.line += key
            self.echo(key)

    def echo(self, text: str) -> None:
        print(text, end="", flush=True)
