"""Puts the blocks of services into files, and takes them out again. Texts only: it reads and writes no file."""

import difflib
import re
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional

from django_compose_stack.services.definition import Block, Service

ABSENT, THERE, EDITED = "absent", "there", "edited"
# Lines around the one by which an edited block is found that may be its own, as a multiple of its length.
REACH = 2
TELLING = 12  # characters; shorter lines stand in many a file
SETS = re.compile(r"\s*[\w\"'.-]+\s*(?:=(?!=)|:(?!=))")


class Unfit(Exception):
    """A block has no place: the file has neither the line it would stand at, nor the lines it would replace."""


class State(NamedTuple):
    """state: ABSENT, THERE or EDITED. first, last: the lines of an edited block, from 1; 0 where it was not found."""

    state: str
    first: int = 0
    last: int = 0


def find(content: str, lines: str) -> int:
    """Return where whole lines begin; -1 where they are not in the content."""
    match = re.search(rf"^{re.escape(lines)}", content, re.M) if lines else None
    return match.start() if match else -1


def find_line(content: str, line: str):
    return re.search(rf"^{re.escape(line)}(?:\n|\Z)", content, re.M)


def state(content: Optional[str], block: Block) -> State:
    """Return whether a file has the block. content: None where there is no file."""
    if content is None or not content:
        return State(ABSENT)
    if content == block.text if block.place == "new" else find(content, block.text) >= 0:
        return State(THERE)
    if block.place == "replace" and find(content, block.anchor) >= 0:
        return State(ABSENT)
    if block.place == "new":
        return State(EDITED, 1, content.count("\n"))
    lines = edited(content, block.text)
    if lines:
        return State(EDITED, *lines)
    # Of lines to replace, neither the old nor the new ones are there.
    return State(EDITED, *(edited(content, block.anchor) or ())) if block.place == "replace" else State(ABSENT)


def edited(content: str, text: str):
    """Return (first, last) of the lines that were made from a block's; None where there are none.

    They are found by the block's first line that sets a name, `  valkey:` or `VALKEY_URL=`, whatever its value is now;
    where that line sets none, by any line that is as it was.
    """
    own = text.splitlines()
    at = next((number for number, line in enumerate(own) if re.match(r"\s*[^\s#]", line)), 0)
    key = SETS.match(own[at]) if own else None
    lines = content.splitlines()
    known = {line for line in own if len(line.strip()) >= TELLING}

    def is_own(line):
        return line.startswith(key[0]) if key else line in known

    found = next((number for number, line in enumerate(lines) if is_own(line)), None)
    if found is None:
        return None
    start, end = max(0, found - len(own) * REACH), found + len(own) * REACH
    matcher = difflib.SequenceMatcher(None, own, lines[start:end], autojunk=False)
    same = [start + match.b + more for match in matcher.get_matching_blocks() for more in range(match.size)]
    same = [number for number in same if lines[number].strip()] + [found]
    return min(same) + 1, max(same) + 1


def insert(content: str, block: Block, earlier: Iterable[Block] = (), later: Iterable[Block] = ()) -> str:
    """Return the content with the block. Raises Unfit where it has no place.

    earlier, later: the blocks of services before and after this one in their order, so that where they stand at the
    same line it does not matter which was added first.
    """
    if block.place == "new":
        return block.text
    if block.place == "replace":
        at = find(content, block.anchor)
        if at < 0:
            raise Unfit
        return content[:at] + block.text + content[at + len(block.anchor) :]
    match = find_line(content, block.anchor) if block.place != "end" else None
    if match is None and block.place != "end":
        raise Unfit
    if block.place == "after":
        ends = (find(content, each.text) + len(each.text) for each in there(content, block, earlier))
        at = max([match.end(), *ends])
    else:
        starts = (find(content, each.text) for each in there(content, block, later))
        at = min([match.start() if match else len(content), *starts])
    return content[:at] + block.text + content[at:]


def there(content: str, block: Block, others: Iterable[Block]) -> List[Block]:
    """Return those of other blocks that stand at the same line."""
    return [each for each in others if each[:3] == block[:3] and find(content, each.text) >= 0]


def remove(content: str, block: Block) -> str:
    """Return the content without a block that is there, which is what it was before."""
    at = find(content, block.text)
    old = block.anchor if block.place == "replace" else ""
    return content[:at] + old + content[at + len(block.text) :]


def has(service: Service, content: Callable[[str], Optional[str]]) -> bool:
    """Return whether a project has a service: at least one of its blocks, edited or not; or the line that marks it."""
    if service.mark:
        return find_line(content("compose.yaml") or "", service.mark) is not None
    for block in service.blocks:
        found = state(content(block.file), block).state
        # Where neither the old nor the new lines are found, the project has others for a reason of its own.
        if found == THERE or (found == EDITED and block.place != "replace"):
            return True
    return False


def around(services: Dict[str, Service], name: str):
    """Return the blocks of the services before and after one, as `insert` takes them."""
    names = list(services)
    at = names.index(name)
    return tuple(
        [block for other in part for block in services[other].blocks] for part in (names[:at], names[at + 1 :])
    )


def complete(services: Dict[str, Service], added: Iterable[str], files: Dict[str, str]) -> Dict[str, str]:
    """Return files with the blocks of services, as far as they have a place there.

    It makes the files of a version those of a project that has these services.
    """
    files = dict(files)
    for name in [name for name in services if name in added]:
        for block in services[name].blocks:
            content = files.get(block.file)
            if content is not None and state(content, block).state == ABSENT:
                try:
                    files[block.file] = insert(content, block, *around(services, name))
                except Unfit:
                    continue
    return files
