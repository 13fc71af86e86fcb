"""What Django and the project want watched besides modules, and what they make of a change there."""

import os
from pathlib import Path

from django.apps import apps
from django.contrib.staticfiles.finders import get_finders
from django.utils import autoreload


class Reloader(autoreload.BaseReloader):
    """The sender of Django's autoreload signals: receivers tell it what else to watch."""

    def folders(self) -> dict[str, Path]:
        """Return the folders to watch: as the supervisor names them, with symlinks resolved, and as Django does."""
        folders = [*self.directory_globs, *(Path(file).absolute().parent for file in self.extra_files)]
        return {os.path.realpath(folder): folder for folder in folders}

    def file_of(self, path: str) -> Path | None:
        """Return the path as Django names it where a receiver asked for that file."""
        for real, folder in self.folders().items():
            if path.startswith(real + "/"):
                file = folder / path[len(real) + 1 :]
                globs = self.directory_globs.get(folder, ())
                if any(file.match(glob.removeprefix("**/")) for glob in globs) or file in map(Path, self.extra_files):
                    return file
        return None

    def start(self) -> tuple[set[str], set[str]]:
        """Send autoreload_started; return the folders to watch, and those of static files."""
        autoreload.autoreload_started.send(sender=self)
        return set(self.folders()), static_folders()

    def restart_for(self, paths: list[str]) -> str:
        """Send file_changed for each path; return the last that no receiver handled, for which to restart."""
        restart = ""
        for path in paths:
            file = self.file_of(path)
            if file is not None:
                results = autoreload.file_changed.send(sender=self, file_path=file)
                if not any(handled for _, handled in results):
                    restart = path
        return restart


def static_folders() -> set[str]:
    if not apps.is_installed("django.contrib.staticfiles"):
        return set()
    storages = (getattr(finder, "storages", {}).values() for finder in get_finders())
    return {os.path.realpath(storage.location) for some in storages for storage in some if hasattr(storage, "location")}
