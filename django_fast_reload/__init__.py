"""A `runserver` for Django that makes a save live in milliseconds. README.md describes it.

Nothing here imports Django at import time, because the supervisor runs before Django and without it.
"""

from .package import VERSION as __version__
from .takeover import take_over

__all__ = ["__version__", "take_over"]
