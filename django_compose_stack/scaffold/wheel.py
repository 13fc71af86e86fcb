"""Builds the two wheels that a project carries in .stack/, the same bytes on every machine and with every Python.

The archive is stored, not compressed: git then packs a new version as a small difference to the last one, and the
program runs from it.
"""

import base64
import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path

from django_compose_stack.scaffold import starter

# Sorted, as their wheels in .stack are.
PACKAGES = ("django_compose_stack", "django_fast_reload")
STACK = PACKAGES[0]
# Folders and files of the sources that no project needs.
LEFT_OUT = {"tests", "bench", "build", "__pycache__", "pyproject.toml", "ruff.toml", "README.md"}
TEMPORARY = (".pyc", ".pyo", ".egg-info", "~", ".orig", ".rej")
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
WHEEL = "Wheel-Version: 1.0\nGenerator: django-compose-stack\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build(destination):
    """Write both wheels into a folder that exists. Where this program runs from wheels, it copies those."""
    for name, content in contents().items():
        (Path(destination) / name).write_bytes(content)


def contents():
    """Return {file name: bytes} of both wheels."""
    if starter.SOURCE is None:
        return {path.name: path.read_bytes() for path in running_wheels()}
    return dict(wheel(starter.SOURCE / package) for package in PACKAGES)


def running_wheels():
    """Return the wheels that this program runs from; else, where it is installed, those of the project's .stack."""
    from django_compose_stack.host.project import LAUNCHER, ROOT

    here = Path(__file__).parents[2]
    folder = here.parent if here.suffix == ".whl" else ROOT / LAUNCHER
    found = [path for package in PACKAGES for path in sorted(folder.glob(package + "-*.whl"))]
    if len(found) != len(PACKAGES):
        from django_compose_stack.host.process import die

        names = ", ".join(path.name for path in found) or "none"
        die(f"{folder} must have one wheel of each of {' and '.join(PACKAGES)}; found: {names}")
    return found


def wheel(folder):
    """Return (file name, bytes) of the wheel of one package, from its source."""
    project = read_project(folder / "pyproject.toml")
    files = {name: (folder / name).read_bytes() for name in sources(folder)}
    if folder.name == STACK:
        for kind in starter.KINDS:
            files.update((f"starter/{kind}/{name}", content) for name, content in starter.contents(kind).items())
    return pack(folder.name, project, files, (starter.SOURCE / "LICENSE").read_bytes())


def pack(package, project, files, license):
    """Return (file name, bytes) of a wheel. project: its [project] table. files: {name in the package: bytes}."""
    release = f"{package}-{project['version']}"
    info = f"{release}.dist-info"
    files = {f"{package}/{name}": content for name, content in files.items()}
    files[f"{info}/METADATA"] = metadata(project).encode()
    files[f"{info}/licenses/LICENSE"] = license
    files[f"{info}/WHEEL"] = WHEEL.encode()
    names = sorted(files)
    files[f"{info}/RECORD"] = record(files, names, info).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as writer:
        for name in [*names, f"{info}/RECORD"]:
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system = 3  # Unix, on Windows too
            entry.external_attr = 0o100644 << 16
            writer.writestr(entry, files[name])
    return f"{release}-py3-none-any.whl", archive.getvalue()


def sources(folder):
    """Return the names of a package's files that go into its wheel, relative to its folder."""
    found = []
    for place, folders, files in os.walk(str(folder)):
        folders[:] = [name for name in folders if is_kept(name)]
        found += [(Path(place) / name).relative_to(folder).as_posix() for name in files if is_kept(name)]
    return sorted(found)


def is_kept(name):
    return name not in LEFT_OUT and not name.startswith(".") and not name.endswith(TEMPORARY)


def record(files, names, info):
    lines = []
    for name in names:
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        quoted = f'"{name}"' if "," in name else name
        lines.append(f"{quoted},sha256={digest},{len(files[name])}\n")
    return "".join([*lines, f"{info}/RECORD,,\n"])


def metadata(project):
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", project["name"]),
        ("Version", project["version"]),
        ("Summary", project["description"]),
        ("License-Expression", project["license"]),
        ("License-File", "LICENSE"),
        ("Requires-Python", project["requires-python"]),
        *(("Requires-Dist", requirement) for requirement in project["dependencies"]),
        *(("Classifier", classifier) for classifier in project.get("classifiers", ())),
    ]
    return "".join(f"{name}: {value}\n" for name, value in fields)


def read_project(path):
    """Return the [project] table of a pyproject.toml whose values are strings and lists of strings, as ours are."""
    table = re.search(r"^\[project\]\n(.*?)(?=^\[|\Z)", path.read_text(encoding="utf-8"), re.M | re.S)[1]
    pairs = re.findall(r"^([\w-]+) = (\"[^\n]*\"|\[[^\n]*\]|\[.*?^\])$", table, re.M | re.S)
    # Such a list is JSON but for the comma behind its last entry.
    return {name: json.loads(re.sub(r",\s*\]$", "]", value)) for name, value in pairs}
