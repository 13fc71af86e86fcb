"""The packages of services in pyproject.toml, and the lock files with them."""

import re

from django_compose_stack.host.process import output
from django_compose_stack.host.project import ROOT, content

PIN = re.compile(r"^[\w.-]+==.*(?:\n[ \t]+.*)*", re.M)  # with its hashes, without which nothing is installed
# Field of a definition, and the list of pyproject.toml that its packages stand in.
LISTS = {"packages": "dependencies", "prod-packages": "prod"}


def listed(project, name):
    """Return the match of a list, one entry a line, in pyproject.toml; None where it has no such list."""
    return re.search(rf"^{name} = \[\n((?:    .*\n)*)\]", project, re.M)


def name_of(line):
    return re.sub(r"[-_.]+", "-", re.match(r"[^\w]*([\w.-]*)", line)[1]).lower()


def add(project, service):
    """Return pyproject.toml with the service's packages, and without those whose place they take."""
    return put(take(project, service, {"without": "dependencies"}), service, LISTS)


def remove(project, service):
    """Return pyproject.toml without the service's packages, and with those whose place they had."""
    return put(take(project, service, LISTS), service, {"without": "dependencies"})


def put(project, service, lists):
    """Return pyproject.toml with the packages of fields of a service, each in its place by the alphabet.

    A package that the project names itself, in whatever version, stays as it is.
    """
    for field, name in lists.items():
        for package in service.words(field):
            match = listed(project, name)
            lines = match[1].splitlines(True) if match else []
            if not match or any(name_of(line) == name_of(package) for line in lines):
                continue
            at = next((n for n, line in enumerate(lines) if name_of(line) > name_of(package)), len(lines))
            lines.insert(at, f'    "{package}",\n')
            project = project[: match.start(1)] + "".join(lines) + project[match.end(1) :]
    return project


def take(project, service, lists):
    """Return pyproject.toml without the packages of fields; what somebody else wrote of them stays."""
    for field, name in lists.items():
        for package in service.words(field):
            match = listed(project, name)
            if match:
                rest = match[1].replace(f'    "{package}",\n', "", 1)
                project = project[: match.start(1)] + rest + project[match.end(1) :]
    return project


def lock(before, after, write, is_first=True, back=()):
    """Write pyproject.toml and its lock files, and with them what `write` writes.

    is_first: install the packages before, so that a server that runs never sees the rest without them; else after. If
    the packages cannot be resolved, pyproject.toml is as it was, and `write` is not called. back: the packages that
    come back, in the versions that they had.
    """
    if after == before:
        return write()
    from django_compose_stack import dependencies

    texts = {ROOT / name: content(ROOT / name) for name in ("pyproject.toml", *dependencies.LOCKS.values())}
    (ROOT / "pyproject.toml").write_text(after, encoding="utf-8")
    try:
        for path in texts if back else ():
            if pins := forgotten(path, texts[path], back):
                path.write_text(texts[path] + pins, encoding="utf-8")
        dependencies.write_locks()
    except BaseException:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        raise
    if is_first:
        dependencies.install()
    write()
    if not is_first:
        dependencies.install()
    return None


def forgotten(path, text, packages):
    """Return the pins that a lock file had when it last had one of the packages, and has no more.

    The resolver keeps to what is locked: without them, coming back would be an upgrade too. Git remembers them.
    """
    name = path.relative_to(ROOT).as_posix()
    pattern = f"^({'|'.join(re.escape(name_of(package)) for package in packages)})=="
    commit = output("git", "log", "-1", "--format=%H", "--extended-regexp", f"-G{pattern}", "--", name)
    for revision in ("HEAD", commit, f"{commit}^") if commit else ("HEAD",):
        old = output("git", "show", f"{revision}:./{name}")
        if re.search(pattern, old, re.M):
            there = {name_of(line) for line in PIN.findall(text)}
            return "".join(f"{line}\n" for line in PIN.findall(old) if name_of(line) not in there)
    return ""


def changed(before, after):
    """Return what else has changed, for the report."""
    return ["pyproject.toml", "the lock files"] if before != after else []
