"""Keeps passwords out of what is printed or shown."""

import re

SECRET = re.compile(r"KEY|PASSWORD|SECRET|TOKEN|URL")
# Up to the last @ before another URL, because a password that was not escaped may contain any of : / @.
PASSWORD = re.compile(r"(?<=:)[^:/]((?!://).)*(?=@)")


def is_secret(name: str) -> bool:
    """Return whether the variable of this name holds a secret."""
    return bool(SECRET.search(name))


def without_passwords(text: str) -> str:
    """Replace the password in each URL of the text by ***."""
    return PASSWORD.sub("***", text)
