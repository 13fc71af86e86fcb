"""Errors of the project and tests that fail, as data that goes from process to process and into pages."""

from typing import TypedDict


class Frame(TypedDict):
    """A place in the code."""

    path: str
    where: str  # the path relative to the project's root
    line: int
    column: int  # from 1
    end: int  # column after the last that is meant
    name: str  # of the function
    source: list  # [number, text] of the lines around
    library: str  # whose code it is; empty for the developer's own


class Failure(TypedDict):
    """An error of the project, as pages and the terminal show it."""

    title: str
    hint: str  # what is likely to fix it; empty where nobody knows
    path: str  # of the first frame of the developer's own; empty where there is none
    where: str
    line: int
    frames: list[Frame]  # innermost first
    text: str  # the whole traceback
    refusal: str  # what the project said when it ended the process on purpose


class TestFailure(TypedDict):
    """A test that failed, or a file that could not be collected."""

    test: str  # node id
    path: str
    where: str  # the path relative to the project's root
    line: int
    message: str  # the assertion
    text: str  # all that pytest says


def plain_failure(text: str) -> Failure:
    return Failure(title=text, hint="", path="", where="", line=0, frames=[], text=text, refusal="")
