"""debugpy in the processes that have the project loaded."""

import time

BREAKPOINTS_TIMEOUT = 1.0  # seconds that an attached editor gets to send its breakpoints before requests are answered


def join(endpoint: dict) -> None:
    """Join the process that holds the port, and give an attached editor time to send its breakpoints."""
    from debugpy.server import api

    where = {name: endpoint[name] for name in ("host", "port", "access_token", "ppid")}
    api._settrace(**where, suspend=False, patch_multiprocessing=False, wait_for_ready_to_run=False)
    deadline = time.monotonic() + BREAKPOINTS_TIMEOUT * endpoint["is_attached"]
    while time.monotonic() < deadline and not api.is_client_connected():
        time.sleep(0.01)
