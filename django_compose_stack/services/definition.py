"""Reads the definitions of services, and tells which of them a project has.

    What the service is, in one line
    packages: redis>=8
    test: VALKEY_URL=

    @@ compose.yaml after|  db-data:
      valkey-data:
    @@ compose.yaml replace
        depends_on: [db]
    @@ by
        depends_on: [db, valkey]

A block goes before or after a line of a file, to its end, in the place of other lines, or is a file of its own ("new").
"""

import pkgutil
import re
from typing import Callable, Dict, List, NamedTuple, Optional

# In this order their blocks stand where several services write to the same place, whichever came first.
NAMES = ("worker", "valkey", "uwsgi")
PLACES = ("before", "after", "end", "replace", "new")
FOLDER = "django_compose_stack/services"


class Block(NamedTuple):
    """Lines of a file. place: one of PLACES; anchor: the line to stand at, or the lines to replace; text: the lines."""

    file: str
    place: str
    anchor: str
    text: str


class Service(NamedTuple):
    """fields: what stands above the first block: packages, prod-packages, test, native, volumes, next."""

    name: str
    title: str
    fields: Dict[str, str]
    blocks: List[Block]

    def words(self, field) -> List[str]:
        return self.fields.get(field, "").split()


def parse(name: str, text: str) -> Service:
    """Return the service of a definition."""
    head, *parts = re.split(r"^@@ (.*)\n", text, flags=re.M)
    title, *lines = head.strip().splitlines()
    fields = dict(line.split(": ", 1) for line in lines)
    blocks: List[Block] = []
    for head, body in zip(parts[::2], parts[1::2]):
        if head == "by":
            blocks[-1] = blocks[-1]._replace(anchor=blocks[-1].text, text=body)
            continue
        where, _, anchor = head.partition("|")
        file, place = where.split()
        assert place in PLACES, f"{name}: {head}"
        blocks.append(Block(file, place, anchor, body))
    return Service(name, title, fields, blocks)


def load(content: Callable[[str], Optional[bytes]]) -> Dict[str, Service]:
    """Return the services that there are, by name. content: returns a file of this folder; None where there is none."""
    found = {name: content(f"{name}.txt") for name in NAMES}
    return {name: parse(name, text.decode()) for name, text in found.items() if text is not None}


def own() -> Dict[str, Service]:
    """Return the services of this version."""
    return load(lambda name: pkgutil.get_data("django_compose_stack.services", name))


def of_wheel(archive) -> Dict[str, Service]:
    """Return the services of another version. archive: its wheel, a ZipFile."""
    names = set(archive.namelist())
    return load(lambda name: archive.read(f"{FOLDER}/{name}") if f"{FOLDER}/{name}" in names else None)
