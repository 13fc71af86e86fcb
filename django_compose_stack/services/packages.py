"""The packages of services in pyproject.toml, and the lock files with them."""

import re

from django_compose_stack.host.project import ROOT

# Field of a definition, and the list of pyproject.toml that its packages stand in.
LISTS = {"packages": "dependencies", "prod-packages": "prod"}


def listed(project, name):
    """Return the match of a list, one entry a line, in pyproject.toml; None where it has no such list."""
    return re.search(rf"^{name} = \[\n((?:    .*\n)*)\]", project, re.M)


def name_of(line):
    return re.sub(r"[-_.]+", "-", re.match(r"[^\w]*([\w.-]*)", line)[1]).lower()


def add(project, service):
    """Return pyproject.toml with the service's packages, each in its place by the alphabet.

    A package that the project names itself, in whatever version, stays as it is.
    """
    for field, name in LISTS.items():
        for package in service.words(field):
            match = listed(project, name)
            lines = match[1].splitlines(True) if match else []
            if not match or any(name_of(line) == name_of(package) for line in lines):
                continue
            at = next((n for n, line in enumerate(lines) if name_of(line) > name_of(package)), len(lines))
            lines.insert(at, f'    "{package}",\n')
            project = project[: match.start(1)] + "".join(lines) + project[match.end(1) :]
    return project


def remove(project, service):
    """Return pyproject.toml without the service's packages; what somebody else wrote of them stays."""
    for field, name in LISTS.items():
        for package in service.words(field):
            match = listed(project, name)
            if match:
                rest = match[1].replace(f'    "{package}",\n', "", 1)
                project = project[: match.start(1)] + rest + project[match.end(1) :]
    return project


def lock(before, after, write, is_first=True):
    """Write pyproject.toml and its lock files, and with them what `write` writes.

    is_first: install the packages before, so that a server that runs never sees the rest without them; else after. If
    the packages cannot be resolved, pyproject.toml is as it was, and `write` is not called.
    """
    if after == before:
        return write()
    from django_compose_stack import dependencies

    path = ROOT / "pyproject.toml"
    path.write_text(after, encoding="utf-8")
    try:
        dependencies.write_locks()
    except BaseException:
        path.write_text(before, encoding="utf-8")
        raise
    if is_first:
        dependencies.install()
    write()
    if not is_first:
        dependencies.install()
    return None


def changed(before, after):
    """Return what else has changed, for the report."""
    return ["pyproject.toml", "the lock files"] if before != after else []
