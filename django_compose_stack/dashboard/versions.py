"""The installed packages compared with the lock."""

import re
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from django_compose_stack.dashboard import project_file

LOCKS = ("requirements.txt", "requirements/dev.txt")
# How a lock names the stack's own packages in a project, whose wheels it carries.
WHEEL = re.compile(r"^(?:\./)?\.stack/(\w+)-([^-\s]+)-\S+\.whl", re.M)


class Package(NamedTuple):
    """A package of the lock. installed: its version; "" if it is not installed."""

    name: str
    installed: str
    locked: str

    @property
    def differs(self) -> bool:
        return self.installed != self.locked


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def packages() -> list[Package]:
    """Return the packages of production, then those of development that differ from the lock."""
    found: dict[str, Package] = {}
    for lock in LOCKS:
        text = WHEEL.sub(lambda match: f"{match[1].replace('_', '-')}=={match[2]}", project_file(lock))
        for name, locked, marker in re.findall(r"^([\w.-]+)==([^\s;\\]+) *(;?)", text, re.M):
            package = Package(name, installed(name), locked)
            # A package with a marker is usually for another platform.
            is_elsewhere = marker and not package.installed
            if name not in found and not is_elsewhere and (lock == LOCKS[0] or package.differs):
                found[name] = package
    return list(found.values())
