"""A drop-in `runserver` that makes a save live in milliseconds. How it works: docs/reload.md.

Nothing here imports Django at import time, because the supervisor runs before Django and without it.
"""

__version__ = "1.0.0"
