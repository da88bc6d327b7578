"""docs/events.md by its sentences, and which test runs each of them.

    @says("A comment line comes every 15 s on a silent stream")    # on a test: it runs the sentence that holds these words

A sentence is what ends with a full stop in a paragraph, a row of a table, or a line of an example.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "flowforge" / "docs" / "events.md"

Test = TypeVar("Test", bound=Callable[..., object])

_END = re.compile(r"(?<=[.:]) (?=[A-Z`*])")


def says(*_words: str) -> Callable[[Test], Test]:
    """Name sentences of the page by words of them; `claims` reads it from the source."""
    return lambda test: test


def sentences(text: str) -> Iterator[str]:
    """Each with single spaces; rows of a table with the heading that they stand under."""
    heading = ""
    for block in text.split("\n\n"):
        lines = block.splitlines()
        if lines and lines[0].startswith("#"):
            heading = lines[0].lstrip("# ")
        elif lines and lines[0].startswith("|"):
            yield from (f"{heading}: {line}" for line in lines[2:])  # behind the head and its rule
        elif lines and lines[0].startswith("    "):
            yield from (line.strip() for line in block.replace("\\\n", "").splitlines())
        elif lines:
            yield from _END.split(" ".join(" ".join(lines).split()))


def claims(module: str) -> Iterator[str]:
    """The words that tests of a module say to run."""
    for node in ast.walk(ast.parse(module)):
        match node:
            case ast.Call(func=ast.Name(id="says"), args=args):
                yield from (a.value for a in args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def examples() -> list[str]:
    """The lines of the page's examples, each whole."""
    blocks = [block for block in PAGE.read_text().split("\n\n") if block.startswith("    ")]
    return [line.strip() for block in blocks for line in block.replace("\\\n", "").splitlines()]
