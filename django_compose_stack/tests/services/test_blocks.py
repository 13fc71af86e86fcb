"""Blocks go into a text and out of it, and what somebody edited is found."""

import itertools

import pytest

from django_compose_stack.services.blocks import (
    ABSENT,
    EDITED,
    THERE,
    State,
    Unfit,
    around,
    complete,
    insert,
    remove,
    state,
)
from django_compose_stack.services.definition import Block, parse

TEXT = "services:\n  db:\n    image: postgres\n    depends_on: [db]\n\nvolumes:\n  db-data:\n"
SERVICE = """\
A service
packages: one>=1 two
volumes: x-data

@@ compose.yaml before|volumes:
  x:
    # Why.
    image: x:1
    command: [x, --long-option]

@@ compose.yaml after|  db-data:
  x-data:
@@ compose.yaml replace
    depends_on: [db]
@@ by
    depends_on: [db, x]
@@ config/settings.py end

# X.
if url := env.str("X_URL", default=""):
    X = url
@@ apps/pages/tasks.py new
example = 1
"""


@pytest.fixture
def service():
    return parse("x", SERVICE)


def test_definition_is_read(service):
    assert (service.title, service.words("packages"), service.words("test")) == ("A service", ["one>=1", "two"], [])
    assert [block[:3] for block in service.blocks] == [
        ("compose.yaml", "before", "volumes:"),
        ("compose.yaml", "after", "  db-data:"),
        ("compose.yaml", "replace", "    depends_on: [db]\n"),
        ("config/settings.py", "end", ""),
        ("apps/pages/tasks.py", "new", ""),
    ]
    assert service.blocks[2].text == "    depends_on: [db, x]\n"


def test_all_blocks_of_a_file_go_in_and_out_again(service):
    own = [block for block in service.blocks if block.file == "compose.yaml"]
    text = TEXT
    for block in own:
        assert state(text, block).state == ABSENT
        text = insert(text, block)
        assert state(text, block).state == THERE

    assert text == (
        "services:\n  db:\n    image: postgres\n    depends_on: [db, x]\n\n"
        "  x:\n    # Why.\n    image: x:1\n    command: [x, --long-option]\n\nvolumes:\n  db-data:\n  x-data:\n"
    )
    for block in reversed(own):
        text = remove(text, block)
    assert text == TEXT


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("image: x:1", "image: x:2", State(EDITED, 6, 9)),
        ("    image: x:1\n", "    image: x:1\n    ports: [1]\n", State(EDITED, 6, 10)),
        ("    # Why.\n", "", State(EDITED, 6, 8)),
        ("db-data:\n", "db-data:\n  more:\n", State(THERE)),
        ("  x:\n", "  y:\n", State(ABSENT)),
    ],
)
def test_edited_block_is_found_with_its_lines(service, old, new, expected):
    text = insert(TEXT, service.blocks[0])
    assert old in text

    assert state(text.replace(old, new, 1), service.blocks[0]) == expected


def test_edited_python_is_found_and_other_python_is_not(service):
    block = service.blocks[3]
    other = 'if url := env.database("DATABASE_URL"):\n    database = url\n'

    assert state(other, block).state == ABSENT
    assert state(insert(other, block).replace("X = url", "X = url or None"), block) == State(EDITED, 4, 5)


def test_lines_to_replace_that_are_others_are_named(service):
    block = service.blocks[2]

    assert state(TEXT.replace("[db]", "[db, other]"), block) == State(EDITED, 4, 4)
    with pytest.raises(Unfit):
        insert(TEXT.replace("[db]", "[db, other]"), block)


def test_file_of_its_own(service):
    block = service.blocks[4]

    assert state(None, block).state == ABSENT
    assert state(block.text, block).state == THERE
    assert state("example = 2\n", block) == State(EDITED, 1, 1)


@pytest.mark.parametrize("place", ["before|volumes:", "after|  db-data:", "end"])
def test_order_of_adding_does_not_matter(place):
    services = {name: parse(name, f"T\n\n@@ f {place}\n  {name}:\n") for name in ("a", "b", "c")}
    results = set()
    for names in itertools.permutations(services):
        text = TEXT
        for name in names:
            text = insert(text, services[name].blocks[0], *around(services, name))
        results.add(text)

    (text,) = results
    assert "  a:\n  b:\n  c:\n" in text


def test_files_of_a_version_are_completed_as_far_as_they_have_a_place(service):
    files = {"compose.yaml": TEXT.replace("  db-data:\n", ""), "other": "as it is"}

    done = complete({"x": service}, ["x"], files)

    assert done["compose.yaml"] == files["compose.yaml"].replace("[db]", "[db, x]").replace(
        "volumes:\n", service.blocks[0].text + "volumes:\n"
    )
    assert {**done, "compose.yaml": ""} == {**files, "compose.yaml": ""}


def test_block_without_a_place_says_so():
    with pytest.raises(Unfit):
        insert("nothing\n", Block("f", "before", "volumes:", "x\n"))
