"""Notice that another version of this package was installed while its supervisor runs."""

import os
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
        return found not in ("", self.digest) and compiles()


def times() -> list[int]:
    """Return when names in the package's folders changed last."""
    try:
        return [os.stat(folder).st_mtime_ns for folder in FOLDERS]
    except OSError:
        return []


def compiles() -> bool:
    """Tell whether all modules on disk are Python: someone may be working on the package itself."""
    for folder in package.folders():
        for name in os.listdir(folder):
            if name.endswith(".py"):
                with open(f"{folder}/{name}", "rb") as file:
                    try:
                        compile(file.read(), name, "exec")
                    except (SyntaxError, ValueError):
                        return False
    return True


FOLDERS = package.folders()
