"""To whom the supervisor shows source.

A page of another site must not read the developer's source through the developer's browser: with DNS rebinding its
own name leads here, so a name counts only where the project knows it.
"""

LOCAL = (".localhost", "127.0.0.1", "[::1]")


def is_known(host: str, allowed: list[str]) -> bool:
    """Tell whether a Host header is localhost or named in ALLOWED_HOSTS, where "*" names nothing."""
    name = host.lower().rstrip(".")
    if not name.endswith("]"):
        name = name.rpartition(":")[0] or name
    name = name.rstrip(".")
    patterns = (pattern.lower() for pattern in (*LOCAL, *allowed) if pattern != "*")
    return any(name == pattern.lstrip(".") or (pattern[0] == "." and name.endswith(pattern)) for pattern in patterns)
