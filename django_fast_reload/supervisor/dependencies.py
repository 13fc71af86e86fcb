"""What the live process was made from: files, names and folders, in the order in which it used them."""

import os

from ..observation import CODE, FILE, LINK, LIST, LOOK, SUFFIXES, TESTS, is_lasting, observe

LATE = 1 << 62  # position of what no snapshot has used


class Dependencies:
    """The records of one line of processes: resuming a snapshot cuts the list at the snapshot's position.

    What is added while `is_late` is set is kept: other processes may use it again, and no snapshot has used it. So is,
    from then on, what is cut from the position `kept_from` on.
    ignored: paths whose records always hold.
    """

    def __init__(self):
        self.is_late, self.kept_from = False, LATE
        self.ignored: set[str] = set()
        self.order: list[tuple[str, str]] = []
        self.values: dict[tuple[str, str], tuple[int, str]] = {}

    def __len__(self) -> int:
        return len(self.order)

    def add(self, kind: str, path: str, value: str) -> None:
        if kind == "written":
            self.values.pop((FILE, path), None)
            self.values.pop((CODE, path), None)
        elif self.values.get((kind, path), (LATE,))[0] == LATE:
            self.values[kind, path] = (LATE if self.is_late else len(self.order), value)
        if not self.is_late:
            self.order.append((kind, path))

    def renew(self, paths) -> None:
        """Take what is late and no longer holds as it is now."""
        for key, (position, _) in list(self.values.items()):
            if position == LATE and key[1] in paths:
                self.values[key] = (LATE, observe(*key))

    def truncate(self, length: int) -> None:
        for key in self.order[length:]:
            position, value = self.values.get(key, (LATE, ""))
            if length <= position < LATE:  # Else a snapshot that stays has used it before.
                if position < self.kept_from:
                    del self.values[key]
                else:
                    self.values[key] = (LATE, value)
        del self.order[length:]
        if length <= self.kept_from:
            self.kept_from = LATE

    def related(self, path: str, is_folder: bool = False) -> list[tuple[str, str]]:
        """Return the records that may no longer hold when something happened to `path`."""
        if path in self.ignored:
            return []
        folder, _, name = path.rpartition("/")
        stem, dot, suffix = name.partition(".")
        keys = [(FILE, path), (CODE, path), (LINK, path)]
        if dot + suffix in ("", *SUFFIXES):  # Else import finds nothing there: django.log is not django.
            keys.append((LOOK, f"{folder}/{stem}"))
            if stem == "__init__":
                keys.append((LOOK, folder))
        if is_lasting(name):
            keys += [(LIST, folder), (TESTS, folder)]
        if is_folder:
            keys += [key for key in self.values if key[1].startswith(path + "/")]
            keys += [(LIST, path), (TESTS, path)]
        return [key for key in keys if key in self.values and key[1] not in self.ignored]

    def broken(self, keys) -> dict[str, int]:
        """Return path and position of the records among `keys` that no longer hold."""
        found, listings = {}, {}
        for kind, path in keys:
            position, value = self.values[kind, path]
            if observe(kind, path, listings) != value:
                found[path] = min(position, found.get(path, position))
        return found

    def broken_by(self, paths: set[str], is_retry: bool) -> dict[str, int]:
        """Return the paths that matter, each with the position of the first record that no longer holds.

        is_retry: the project does not load, so saving a file without a change asks to try again.
        """
        found = {}
        for path in paths:
            is_folder = os.path.isdir(path)
            keys = self.related(path, is_folder or not os.path.exists(path))
            broken = self.broken(keys)
            if is_folder:
                found |= broken  # A sweep sees that something in a folder changed; name what it was.
                below = [self.values[key][0] for key in keys if key[1].startswith(path + "/")]
                if below and os.path.islink(path):
                    found[path] = min(below)  # It was no symlink: processes take it for the real folder.
                continue
            positions = list(broken.values())
            if is_retry and not positions:
                positions = [self.values[key][0] for key in keys]
            if positions:
                found[path] = min(positions)
        return found

    def folders(self, keys) -> set[str]:
        """Return the folders in which records can break."""
        found = set()
        for kind, path in keys:
            found.add(path if kind in (LIST, TESTS) else path.rpartition("/")[0])
            if kind == LOOK and self.values[kind, path][1].endswith("/"):
                found.add(path)  # A namespace becomes a package when an __init__.py appears in it.
        return found

    def places(self) -> set[str]:
        """Return the files and folders whose stat tells that a record may have broken."""
        return self.folders(self.values) | {path for kind, path in self.values if kind != LOOK}
