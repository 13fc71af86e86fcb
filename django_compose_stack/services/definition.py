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

One that is as another has only its first lines, and what differs, OLD => NEW; nothing after => leaves the line out:

    MySQL
    like: mariadb
    MariaDB => MySQL
"""

import pkgutil
import re
from typing import Callable, Dict, List, NamedTuple, Optional

# In this order their blocks stand where several services write to the same place, whichever came first.
NAMES = ("mariadb", "mysql", "worker", "valkey", "uwsgi")
PLACES = ("before", "after", "end", "replace", "new")
FOLDER = "django_compose_stack/services"


class Block(NamedTuple):
    """Lines of a file. place: one of PLACES; anchor: the line to stand at, or the lines to replace; text: the lines."""

    file: str
    place: str
    anchor: str
    text: str


class Service(NamedTuple):
    """fields: what stands above the first block: packages, prod-packages, test, native, volumes, next.

    Of one in the place of another: instead, whose place that is; without, the packages that go; leaves, the volumes.
    """

    name: str
    title: str
    fields: Dict[str, str]
    blocks: List[Block]

    def words(self, field) -> List[str]:
        return self.fields.get(field, "").split()

    @property
    def mark(self) -> str:
        """The line of compose.yaml that tells it from others for the same place, whose blocks are partly the same."""
        return f"x-{self.name}: &{self.name}" if "instead" in self.fields else ""


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
    texts = {name: text.decode() for name in NAMES for text in [content(f"{name}.txt")] if text is not None}
    return {name: parse(name, resolve(text, texts)) for name, text in texts.items()}


def resolve(text: str, texts: Dict[str, str]) -> str:
    """Return a definition in full, where it says what differs from another one."""
    head, is_like, rest = text.partition("\nlike: ")
    if not is_like:
        return text
    other, *changes = rest.splitlines()
    title, _, fields = head.partition("\n")
    body = texts[other].partition("\n")[2]
    for change in changes:
        old, _, new = change.partition(" =>")
        body = body.replace(old, new[1:]) if new else re.sub(rf"^ *{re.escape(old.strip())}\n", "", body, flags=re.M)
    top, _, blocks = body.partition("\n\n")
    # The last of two lines for one field counts.
    return f"{title}\n{top}\n{fields}".rstrip() + f"\n\n{blocks}"


def own() -> Dict[str, Service]:
    """Return the services of this version."""
    return load(lambda name: pkgutil.get_data("django_compose_stack.services", name))


def of_wheel(archive) -> Dict[str, Service]:
    """Return the services of another version. archive: its wheel, a ZipFile."""
    names = set(archive.namelist())
    return load(lambda name: archive.read(f"{FOLDER}/{name}") if f"{FOLDER}/{name}" in names else None)
