"""Which packages a project needs, in whichever file it says so, and how its own tool installs them."""

import json
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Set

from django_compose_stack.scaffold import toml
from django_compose_stack.scaffold.packages import normal

DEVELOPMENT = ("local", "dev", "develop", "development")
TESTS = ("test", "tests", "testing")
BASES = ("requirements", "base", "common", "main", "default")
EXTRAS = {*DEVELOPMENT, *TESTS, "postgres", "postgresql", "psycopg"}
SPECIFIER = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*([^;#]*)")
TOOLS = {
    "uv": "uv",
    "poetry": "Poetry",
    "pipenv": "Pipenv",
    "pip": "pip",
    "pyproject": "pyproject.toml, without a lock",
}


class Manifest(NamedTuple):
    """What a project says of its packages.

    tool: "uv", "poetry", "pipenv", "pip" or "pyproject". folder: where its files are. files: those that an installation
    reads, relative to the project. commands: what installs, as words, run in `folder`. packages: what gets installed,
    {"django": "==5.2"}, as far as it is told. others: what is told of elsewhere, for production say. version: of the
    tool. unbuilt: packages that come as source alone. notes: what the user should know.
    """

    tool: str
    folder: Path
    files: List[str]
    commands: List[List[str]]
    packages: Dict[str, str]
    others: Dict[str, str]
    version: str
    unbuilt: Set[str]
    notes: List[str]


def read(path):
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def specifiers(lines) -> Dict[str, str]:
    """Return the packages that lines of a requirements file or of a `dependencies` list name."""
    found = {}
    for line in lines:
        line = line.strip()
        if not line or line.startswith(("#", "-", ".", "/", "http", "git+")):
            match = re.search(r"[#&]egg=([\w.-]+)", line)
            if match:
                found[normal(match[1])] = ""
            continue
        match = SPECIFIER.match(line)
        if match:
            found[normal(match[1])] = match[3].strip().rstrip("\\").strip()
            for extra in re.findall(r"[\w-]+", match[2] or ""):
                # psycopg[binary] is psycopg-binary, and django[argon2] brings argon2.
                found.setdefault(f"{normal(match[1])}-{normal(extra)}", "")
    return found


def included(path) -> List[Path]:
    """Return a requirements file and those it includes, by -r or -c."""
    found = [path]
    for match in re.finditer(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)", read(path), re.M):
        other = path.parent / match[1]
        if other.is_file() and other not in found:
            found += [each for each in included(other) if each not in found]
    return found


def role(path) -> str:
    """Return what a requirements file is for: "base", "development", "tests"; empty for anything else."""
    words = set(re.split(r"[-_.]", path.stem.lower())) - {"requirements", "reqs", "pip"}
    if not words or words & set(BASES):
        return "base"
    if words & set(DEVELOPMENT):
        return "development"
    return "tests" if words & set(TESTS) else ""


def find(root, folder) -> Manifest:
    """Return what the project at `root`, with manage.py in `folder`, says of its packages.

    Raises ValueError where it says nothing that can be installed.
    """
    for place in dict.fromkeys((folder, root)):
        pyproject = toml.load(read(place / "pyproject.toml"))
        if (place / "uv.lock").is_file():
            return of_uv(root, place, pyproject)
        if (place / "poetry.lock").is_file() or "dependencies" in pyproject.get("tool", {}).get("poetry", {}):
            return of_poetry(root, place, pyproject)
        requirements = [
            path for pattern in ("*requirements*.txt", "requirements/*.txt") for path in sorted(place.glob(pattern))
        ]
        if (place / "Pipfile.lock").is_file() or ((place / "Pipfile").is_file() and not requirements):
            return of_pipenv(root, place)
        if requirements:
            return of_pip(root, place, requirements)
        if pyproject.get("project", {}).get("dependencies"):
            return of_pyproject(root, place, pyproject)
    raise ValueError("no requirements.txt, pyproject.toml with dependencies, or Pipfile was found")


def relative(root, *paths):
    return [path.relative_to(root).as_posix() for path in paths if path.exists()]


def of_lock(text):
    """Return the packages of uv.lock or poetry.lock, and those that come as source alone."""
    found, unbuilt = {}, set()
    for package in toml.load(text).get("package", []):
        name = normal(package.get("name", ""))
        found[name] = f"=={package.get('version', '')}"
        files = package.get("files") or []
        wheels = package.get("wheels") or [each for each in files if str(each.get("file", "")).endswith(".whl")]
        if not wheels and (package.get("sdist") or files):
            unbuilt.add(name)
    return found, unbuilt


def of_uv(root, place, pyproject):
    project = pyproject.get("project", {})
    extras = [name for name in project.get("optional-dependencies", {}) if name in EXTRAS]
    groups = [name for name in pyproject.get("dependency-groups", {}) if name in EXTRAS - {"dev"}]
    options = [word for name in extras for word in ("--extra", name)] + [
        w for name in groups for w in ("--group", name)
    ]
    packages, unbuilt = of_lock(read(place / "uv.lock"))
    notes = []
    sources = pyproject.get("tool", {}).get("uv", {}).get("sources", {})
    if any("path" in each or "workspace" in each for each in sources.values() if isinstance(each, dict)):
        notes.append("pyproject.toml names packages by path; add a --mount for each to the Dockerfile's uv sync")
    command = ["uv", "sync", "--frozen", "--no-install-project", *options]
    files = relative(root, place / "pyproject.toml", place / "uv.lock")
    declared = [each for group in project.get("optional-dependencies", {}).values() for each in group]
    return Manifest("uv", place, files, [command], packages, specifiers(declared), "", unbuilt, notes)


def of_poetry(root, place, pyproject):
    lock = read(place / "poetry.lock")
    packages, unbuilt = of_lock(lock)
    if not packages:
        poetry = pyproject.get("tool", {}).get("poetry", {})
        groups = [poetry.get("dependencies", {}), poetry.get("dev-dependencies", {})]
        groups += [group.get("dependencies", {}) for group in poetry.get("group", {}).values()]
        packages = {normal(name): str(value) for group in groups for name, value in group.items() if name != "python"}
    version = re.search(r"generated by Poetry (\d[\w.]*)", lock)
    files = relative(root, place / "pyproject.toml", place / "poetry.lock")
    command = ["poetry", "install", "--no-root", "--no-interaction"]
    return Manifest("poetry", place, files, [command], packages, {}, version[1] if version else "", unbuilt, [])


def of_pipenv(root, place):
    text = read(place / "Pipfile.lock")
    lock = json.loads(text) if text else {}
    tables = [lock.get("default", {}), lock.get("develop", {})]
    packages = {normal(n): v.get("version", "") for table in tables for n, v in table.items()}
    if not packages:
        pipfile = toml.load(read(place / "Pipfile"))
        tables = [pipfile.get("packages", {}), pipfile.get("dev-packages", {})]
        packages = {normal(name): str(value) for table in tables for name, value in table.items()}
    command = ["pipenv", "sync", "--dev"] if text else ["pipenv", "install", "--dev", "--skip-lock"]
    files = relative(root, place / "Pipfile", place / "Pipfile.lock")
    return Manifest("pipenv", place, files, [command], packages, {}, "", set(), [])


def of_pip(root, place, requirements):
    chosen = {}
    # requirements.txt itself comes before files whose names only resemble it.
    for path in sorted(requirements, key=lambda path: path.name != "requirements.txt"):
        if role(path):
            chosen.setdefault(role(path), path)
    if not chosen:
        chosen = {"": requirements[0]}
    below = {path: {other for other in included(path) if other != path} for path in chosen.values()}
    top = [path for path in chosen.values() if not any(path in others for others in below.values())]
    files = list(dict.fromkeys(each for path in top for each in included(path)))
    others = [path for path in requirements if path not in files]
    notes = []
    if others:
        notes.append(f"not installed: {', '.join(relative(root, *others))}")
    if any(re.search(r"^\s*(-e\s+)?(\.|file:)", read(path), re.M) for path in files):
        notes.append("a requirement is a folder of this project; add a --mount for it to the Dockerfile's pip install")
    words = [word for path in top for word in ("-r", path.relative_to(place).as_posix())]
    packages = specifiers(line for path in files for line in read(path).splitlines())
    elsewhere = specifiers(line for path in others for line in read(path).splitlines())
    return Manifest(
        "pip", place, relative(root, *files), [["pip", "install", *words]], packages, elsewhere, "", set(), notes
    )


def of_pyproject(root, place, pyproject):
    project = pyproject["project"]
    extras = {name: each for name, each in project.get("optional-dependencies", {}).items() if name in EXTRAS}
    groups = {name: each for name, each in pyproject.get("dependency-groups", {}).items() if name in EXTRAS}
    lines = [*project["dependencies"], *(line for each in (*extras.values(), *groups.values()) for line in each)]
    command = ["uv", "pip", "install", "-r", "pyproject.toml"]
    command += [word for name in extras for word in ("--extra", name)]
    command += [word for name in groups for word in ("--group", name)]
    packages = specifiers(line for line in lines if isinstance(line, str))
    files = relative(root, place / "pyproject.toml")
    return Manifest("pyproject", place, files, [command], packages, {}, "", set(), [])
