"""Notice that another version of this package was installed while its supervisor runs."""

import os
import sys
import time

from .. import package

SETTLE = 0.1  # seconds without a change after which an installation counts as complete
MAX_LOOKS = 50


class OwnPackage:
    """digest: of the version that this process runs."""

    def __init__(self):
        self.digest = package.digest()
        self.times = times()

    def is_touched(self) -> bool:
        """Tell, in microseconds, whether files of the package may have been replaced: an installation renames them."""
        return times() != self.times

    def is_replaced(self) -> bool:
        """Tell whether there is another version on disk, complete and fit to run."""
        before, found = times(), package.digest()
        if found == self.digest:
            self.times = before
            return False
        for _ in range(MAX_LOOKS):
            time.sleep(SETTLE)
            last, found = found, package.digest()
            if found == last:
                break
        return found not in ("", self.digest) and is_fit()

    def missing(self) -> str:
        """Say so where the package was removed; else return nothing."""
        name = os.path.basename(package.FOLDER)
        gone = not os.path.exists(package.MAIN)
        return f"{name} is no longer at {package.FOLDER}. Install it again." if gone else ""


def times() -> list[int]:
    """Return when names in the package's folders changed last. Nothing can set ctime to an older time."""
    try:
        return [os.stat(folder).st_ctime_ns for folder in FOLDERS]
    except OSError:
        return []


def is_fit() -> bool:
    """Import what is on disk in another process: someone may be working on the package itself."""
    probe = os.posix_spawn(sys.executable, [sys.executable, package.MAIN, "probe"], os.environ)
    return os.waitpid(probe, 0)[1] == 0


FOLDERS = package.folders()
