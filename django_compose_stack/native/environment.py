"""The virtual environment .venv: created with Python 3.12 or newer, kept in sync with the lock file."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

from django_compose_stack.host import process
from django_compose_stack.host.process import Failure, output, say
from django_compose_stack.host.project import ROOT, content
from django_compose_stack.native.common import one_at_a_time

VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"
LOCK = ROOT / "requirements/native.txt"
WISH = ROOT / ".python-version"
# Written last: an environment without it is unfinished.
STAMP = VENV / ".native"
OLDEST = (3, 12)
PROBE = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys._base_executable)"
PROBE_TIMEOUT = 10  # seconds


def wanted():
    """Return what the environment must have been created for. A virtual environment cannot be moved: hence the path."""
    return {"root": str(ROOT), "wish": content(WISH), "lock": content(LOCK)}


def made():
    """Return what the environment was created for, and its "version"; empty if unknown."""
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def is_current(python):
    """Return whether `python`, the path of this process, is that of the environment, and it is up to date."""
    return python == str(PYTHON) and made() == dict(wanted(), version=list(sys.version_info[:2]))


def is_promising():
    """Return whether the environment seems up to date to a Python that is not its own, which checks again."""
    before = made()
    # After a crash of the system it may be an empty file.
    can_run = os.access(str(PYTHON), os.X_OK) and PYTHON.stat().st_size > 0
    return dict(before, version=None) == dict(wanted(), version=None) and can_run


def site_packages():
    return VENV / "lib/python{}.{}/site-packages".format(*sys.version_info[:2])


def make():
    """Create or update the environment. Raises Failure; an environment that worked before then still works."""
    with one_at_a_time() as lock:
        before = made()
        usable = before and dict(before, lock="") == dict(wanted(), lock="", version=(probe(PYTHON) or [[]])[0][:2])
        if usable and before["lock"] == content(LOCK):
            return
        environment = dict(os.environ)
        if os.pathsep in str(ROOT):
            raise Failure(f"the path {ROOT} contains a colon, which PATH cannot contain", "Rename the folder")
        if not os.access(str(Path.home()), os.W_OK):
            environment["UV_NO_CACHE"] = "1"

        def run(*command):
            # An installer that outlives this process keeps the lock, so that no second one starts.
            return process.run(*map(str, command), env=environment, stdout=sys.stderr, pass_fds=[lock]).returncode

        if usable:
            version, uv = before["version"], shutil.which("uv") or VENV / "bin/uv"
            say(f"{LOCK.relative_to(ROOT)} has changed: installing")
            STAMP.unlink()
        else:
            (version, python), uv = find_python(), shutil.which("uv")
            say("creating .venv with Python {} ({})".format(".".join(map(str, version)), python))
            remove(VENV)
            command = [uv, "venv", "--quiet", "--python", python] if uv else [python, "-m", "venv"]
            if run(*command, VENV):
                raise Failure(f"could not create {VENV}", "Correct the error above, then try again")
        if uv:
            status = run(uv, "pip", "sync", "--python", PYTHON, "--require-hashes", LOCK)
        else:
            say("installing the locked packages with pip; from then on uv does it, faster")
            pip = [PYTHON, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
            status = run(*pip, "--require-hashes", "--requirement", LOCK)
        if status:
            if usable:
                STAMP.write_text(json.dumps(before))
            raise Failure(f"could not install {LOCK.relative_to(ROOT)}", "Correct the error above, then try again")
        temporary = STAMP.with_suffix(".new")
        temporary.write_text(json.dumps(dict(wanted(), version=version[:2])))
        temporary.replace(STAMP)


def remove(path):
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(str(path))


def find_python():
    """Return version and path of the Python to use, ([3, 12, 1], "/usr/bin/python3.12").

    Raises Failure, listing the ones found, if none is suitable.
    """
    wish = re.sub("#.*", "", content(WISH)).strip()
    if wish and not re.fullmatch(r"3(\.\d+){1,2}", wish):
        raise Failure(f"{WISH} has value {wish!r}", "Write a version such as 3.13 to it, or delete it")
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
    name = f"Python {wish}, which .python-version requires" if wish else "Python 3.12 or newer"
    example = wish or "3.13"
    raise Failure(
        f"could not find {name}. Found{found or ' no Python at all'}",
        f"Install it, with its venv module, then try again. For example: uv python install {example}, "
        f"pyenv install {example}, brew install python@3.13, or apt install python3 python3-venv",
    )


def candidates(wish):
    """Yield paths that may be a suitable Python, best first."""
    if shutil.which("uv"):
        yield from filter(None, ask("uv", "python", "find", "--system", wish or ">=3.12").split("\n")[:1])
    for name in ("python3.14", "python3.13", "python3.12", "python3"):
        found = shutil.which(name)
        if found:
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    names = [path.name for path in pyenv.glob("versions/*") if re.fullmatch(r"[0-9.]+", path.name)]
    for name in sorted(names, key=lambda name: [int(part) for part in name.split(".")], reverse=True):
        yield str(pyenv / "versions" / name / "bin/python")


def probe(python):
    """Return the version of a Python and the path of its base installation; None if it does not run.

    It has to be run: a shim of pyenv is in PATH, but fails where no version is selected.
    """
    # Debian's Python may lack both modules, which uv does not need.
    needs = "" if shutil.which("uv") else "import venv, ensurepip; "
    version, _, base = ask(str(python), "-IS", "-c", needs + PROBE).partition(" ")
    return ([int(part) for part in version.split(".")], base) if base else None


def ask(*command):
    return output(*command, timeout=PROBE_TIMEOUT, errors="surrogateescape")
