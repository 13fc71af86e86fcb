"""File events, read straight from the kernel: the supervisor must be able to ask for those that are due now.

A library that reads them in a thread of its own can't be asked: a request would pass the barrier before its save.
"""

import ctypes
import errno
import os
import struct

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
OVERFLOW, IGNORED, ONLYDIR, ISDIR = 0x4000, 0x8000, 0x01000000, 0x40000000
EVENTS = MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | ONLYDIR
RENAMING = MOVED_FROM | MOVED_TO | CREATE | DELETE | ISDIR  # these change the names in a folder
DONE = CLOSE_WRITE | MOVED_TO | ATTRIB  # after these the file is as its writer wants it

# File systems of Linux itself, which always tell when a writer closes a file. Those that forward events of another
# system (virtiofs, 9p, fuse, nfs) tell less, and late.
NATIVE = {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}

libc = ctypes.CDLL(None, use_errno=True)


class Watcher:
    def __init__(self):
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.folders: dict[int, list[str]] = {}  # with symlinks a folder has several names, and the kernel one number
        self.watches: dict[str, int] = {}
        self.full = self.fd < 0  # the kernel's limit of instances or watches is reached

    def fileno(self) -> int:
        return self.fd

    def watch(self, folder: str) -> None:
        """Watch a folder, or where it doesn't exist the nearest one above it, in which it would appear."""
        while folder not in self.watches and folder and not self.full:
            number = libc.inotify_add_watch(self.fd, os.fsencode(folder), EVENTS)
            if number >= 0:
                self.folders.setdefault(number, []).append(folder)
                self.watches[folder] = number
            elif ctypes.get_errno() == errno.ENOSPC:
                self.full = True
            else:
                folder = os.path.dirname(folder) if folder != "/" else ""

    def forget(self, folder: str) -> None:
        """Stop watching a folder and those in it: they were moved or removed, and names may come back."""
        numbers = {number for name, number in self.watches.items() if f"{name}/".startswith(folder + "/")}
        for number in numbers:
            libc.inotify_rm_watch(self.fd, number)
            self.lose(number)

    def lose(self, number: int) -> None:
        """Forget a watch under all names of its folder."""
        for name in self.folders.pop(number, ()):
            del self.watches[name]

    def drain(self):
        """Yield (path, event mask) for all that happened so far."""
        while self.fd >= 0:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                number, mask, _, length = struct.unpack_from("iIII", data, at)
                name = os.fsdecode(data[at + 16 : at + 16 + length].rstrip(b"\0"))
                at += 16 + length
                if mask & OVERFLOW:
                    yield "", mask
                elif mask & IGNORED:
                    self.lose(number)
                elif name:
                    for folder in list(self.folders.get(number, ())):
                        yield f"{folder}/{name}", mask


def is_native(path: str) -> bool:
    """Tell whether the kernel itself sees every change of the files in `path`."""
    best, kind = "", ""
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            place = before.split(" ")[4].encode().decode("unicode_escape")
            if len(place) >= len(best) and f"{path}/".startswith(place.rstrip("/") + "/"):
                best, kind = place, after.split(" ")[0]
    return kind in NATIVE
