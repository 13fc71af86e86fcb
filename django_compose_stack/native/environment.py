"""The virtual environment .venv: made with a Python 3.12 or newer, kept equal to the lock."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from django_compose_stack.host.process import Failure, say
from django_compose_stack.host.project import ROOT
from django_compose_stack.native.common import one_at_a_time

VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"
LOCK = ROOT / "requirements/native.txt"
WISH = ROOT / ".python-version"
# Written last: an environment without it was never finished.
STAMP = VENV / ".native"
OLDEST = (3, 12)
PROBE = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys._base_executable)"
PROBE_TIMEOUT = 10  # seconds


def content(path):
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def wanted():
    """Return what the environment must have been made for. A virtual environment cannot be moved: hence the path."""
    return {"root": str(ROOT), "wish": content(WISH), "lock": content(LOCK)}


def made():
    """Return what the environment was made for, and its "version"; empty where that is unknown."""
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def is_current(python):
    """Say whether `python`, the path that this process was started by, is the environment's and it needs no change."""
    return python == str(PYTHON) and made() == dict(wanted(), version=list(sys.version_info[:2]))


def is_promising():
    """Say whether the environment seems current, as far as another Python can tell. Its own one looks closer."""
    before = made()
    return dict(before, version=None) == dict(wanted(), version=None) and os.access(str(PYTHON), os.X_OK)


def site_packages():
    return VENV / "lib/python{}.{}/site-packages".format(*sys.version_info[:2])


def make():
    """Make the environment, or bring it up to date. Raises Failure; then an environment that worked is as before."""
    with one_at_a_time() as lock:
        before = made()
        usable = before and dict(before, lock="") == dict(wanted(), lock="", version=(probe(PYTHON) or [[]])[0][:2])
        if usable and before["lock"] == content(LOCK):
            return
        environment = dict(os.environ)
        if os.pathsep in str(ROOT):
            raise Failure(f"the path {ROOT} has a colon in it, which PATH cannot hold", "Rename that folder")
        if not os.access(str(Path.home()), os.W_OK):
            environment["UV_NO_CACHE"] = "1"

        def run(*command):
            # An installer that outlives this process keeps the lock, so that no second one starts beside it.
            return subprocess.call(
                [str(word) for word in command], cwd=str(ROOT), env=environment, stdout=sys.stderr, pass_fds=[lock]
            )

        if usable:
            version, uv = before["version"], shutil.which("uv") or VENV / "bin/uv"
            say(f"{LOCK.relative_to(ROOT)} has changed: installing")
            STAMP.unlink()
        else:
            (version, python), uv = find_python(), shutil.which("uv")
            say("making .venv with Python {} ({})".format(".".join(map(str, version)), python))
            remove(VENV)
            command = [uv, "venv", "--quiet", "--python", python] if uv else [python, "-m", "venv"]
            if run(*command, VENV):
                raise Failure(f"{VENV} could not be made", "Fix what is said above, then run this again")
        if uv:
            status = run(uv, "pip", "sync", "--python", PYTHON, "--require-hashes", LOCK)
        else:
            say("installing the locked packages with pip, once; uv does the rest")
            pip = [PYTHON, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
            status = run(*pip, "--require-hashes", "--requirement", LOCK)
        if status:
            if usable:
                STAMP.write_text(json.dumps(before))
            raise Failure(f"{LOCK.relative_to(ROOT)} could not be installed", "Fix what is said above, then run this again")
        temporary = STAMP.with_suffix(".new")
        temporary.write_text(json.dumps(dict(wanted(), version=version[:2])))
        temporary.replace(STAMP)


def remove(path):
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(str(path))


def find_python():
    """Return the version and the path of the Python to use, ([3, 12, 1], "/usr/bin/python3.12").

    Raises Failure that lists what was found instead.
    """
    wish = re.sub("#.*", "", content(WISH)).strip()
    if wish and not re.fullmatch(r"3(\.\d+){1,2}", wish):
        raise Failure(f"{WISH} has value {wish!r}", "Write a version such as 3.13 into it, or delete it")
    prefix = [int(part) for part in wish.split(".")] if wish else []
    seen = {}
    for candidate in candidates(wish):
        if candidate in seen or VENV in Path(candidate).parents:
            continue
        version, base = seen[candidate] = probe(candidate) or (None, None)
        if version and tuple(version) >= OLDEST and version[: len(prefix)] == prefix:
            return version, base
    found = "".join(
        "\n  {}: {}".format(path, ".".join(map(str, version)) if version else "does not run, or has no venv module")
        for path, (version, _) in seen.items()
    )
    name = f"Python {wish}, which .python-version asks for," if wish else "Python 3.12 or newer"
    example = wish or "3.13"
    raise Failure(
        f"{name} was not found. Found{found or ' no Python at all'}",
        f"Install it, with its venv module, and run this again. For example: uv python install {example}, "
        f"pyenv install {example}, brew install python@3.13, or apt install python3 python3-venv",
    )


def candidates(wish):
    """Yield paths that may be a suitable Python, best first."""
    if shutil.which("uv"):
        command = ["uv", "python", "find", "--system", wish or ">=3.12"]
        yield from filter(None, output(command).split("\n")[:1])
    for name in ("python3.14", "python3.13", "python3.12", "python3"):
        found = shutil.which(name)
        if found:
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    names = [path.name for path in pyenv.glob("versions/*") if re.fullmatch(r"[0-9.]+", path.name)]
    for name in sorted(names, key=lambda name: [int(part) for part in name.split(".")], reverse=True):
        yield str(pyenv / "versions" / name / "bin/python")


def probe(python):
    """Return the version of a Python and the path of the one it stands on; None if it does not run.

    It must be run to know: a shim of pyenv is on PATH, and fails where no version is chosen.
    """
    # Debian's Python can lack both modules; uv does without them.
    needs = "" if shutil.which("uv") else "import venv, ensurepip; "
    version, _, base = output([str(python), "-IS", "-c", needs + PROBE]).strip().partition(" ")
    return ([int(part) for part in version.split(".")], base) if base else None


def output(command):
    try:
        done = subprocess.run(
            command,
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return os.fsdecode(done.stdout) if done.returncode == 0 else ""
