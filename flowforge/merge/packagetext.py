"""Manifests made of lines: requirements and constraints of pip, go.mod, Gradle's dependencies.

No parser of theirs is at hand, so what a text says is read a second time, apart from the cutting.
"""

import re
from collections.abc import Sequence

from flowforge.core.conflict import split_lines
from flowforge.merge.doubt import Doubt
from flowforge.merge.facts import Facts, requirement_key
from flowforge.merge.keyed import Block, Cut, lines_block
from flowforge.merge.rows import Line, joined_lines, numbered, requirement


def read_requirements(text: bytes, facts: Facts) -> Block:  # noqa: ARG001 (the readers' shape)
    """Requirements and constraints of pip: one entry a package; an option is one by its whole line."""
    lines = [
        (start, line)
        for start, line in joined_lines(numbered(text))
        if line.strip() and not line.lstrip().startswith(b"#")
    ]
    return lines_block(text, (0, len(text)), [requirement(start, line) for start, line in lines])


def data_of_requirements(text: bytes, facts: Facts) -> object:  # noqa: ARG001 (the readers' shape)
    """The lines by package.

    Raises:
        ValueError: a package stands twice.
    """
    logical = text.decode("utf-8", "surrogateescape").replace("\\\r\n", " ").replace("\\\n", " ")
    found: dict[object, object] = {}
    for line in logical.splitlines():
        said = re.split(r"(?:^|\s)#", line)[0].strip()
        if not said:
            continue
        key = said if said.startswith("-") or "://" in said else requirement_key(said)
        if key in found:
            raise ValueError(f"{said} stands twice")
        found[key] = said
    return found


_OPENS = re.compile(rb"\s*(\w+)\s*\(\s*(?://.*)?\r?\n?")
_WORDS = re.compile(rb"\s*(\S+)[ \t]*")


def read_go_mod(text: bytes, facts: Facts) -> Block:  # noqa: ARG001 (the readers' shape)
    """go.mod: single directives, and blocks of them; a module is known by its path."""
    cuts: list[Cut] = []
    lines = numbered(text)
    place = 0
    seen: dict[str, int] = {}
    while place < len(lines):
        start, line = lines[place]
        opened = _OPENS.fullmatch(line)
        stop = place + 1
        if opened:
            stop = next((n for n in range(place + 1, len(lines)) if lines[n][1].strip() == b")"), len(lines))
            if stop == len(lines):
                raise Doubt("does_not_parse", "a block of go.mod has no end")
            word = opened.group(1).decode("utf-8", "replace")
            seen[word] = seen.get(word, 0) + 1
            cuts.append(_go_block(text, word, seen[word], lines[place : stop + 1]))
            stop += 1
        elif line.strip() and not line.lstrip().startswith(b"//"):
            cuts.append(_go_line(start, line, single=True))
        place = stop
    return lines_block(text, (0, len(text)), cuts)


def _go_block(text: bytes, word: str, number: int, lines: Sequence[Line]) -> Cut:
    start, first = lines[0]
    below, closing = start + len(first), lines[-1][0]
    cuts = [
        _go_line(s, line, single=False)
        for s, line in lines[1:-1]
        if line.strip() and not line.lstrip().startswith(b"//")
    ]
    return Cut(
        key=(word, "(", number),
        name=word,
        start=start,
        value=(below, closing),
        end=closing + len(lines[-1][1]),
        inside=lambda: lines_block(text, (below, closing), cuts),
        placed=True,
    )


def _go_line(start: int, line: bytes, *, single: bool) -> Cut:
    said = line.split(b"//")[0].rstrip()
    words = said.split()
    many = single and len(words) > 2  # noqa: PLR2004 (directive, module, version)
    found = re.compile(rb"\s*(?:\S+[ \t]+){%d}" % (2 if many else 1)).match(said + b" ")
    at = min(found.end(), len(said)) if found else len(said)
    shown = b" ".join(words[: 2 if many else 1]).decode("utf-8", "replace")
    return Cut(
        key=shown, name=shown, start=start, value=(start + at, start + len(said)), end=start + len(line)
    )


def data_of_go_mod(text: bytes, facts: Facts) -> object:  # noqa: ARG001 (the readers' shape)
    """Directives with their modules and versions, blocks taken apart.

    Raises:
        ValueError: a module stands twice under one directive.
    """
    found: dict[object, object] = {}
    block = ""
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        words = line.split("//")[0].split()
        if not words:
            continue
        if block and words == [")"]:
            block = ""
        elif words[-1] == "(":
            block = words[0]
        else:
            words = [block, *words] if block else words
            size = 2 if len(words) > 2 else 1  # noqa: PLR2004 (directive, module, version)
            key = " ".join(words[:size])
            if key in found:
                raise ValueError(f"{key} stands twice")
            found[key] = " ".join(words[size:])
    return found


_COORDINATES = re.compile(
    rb"""(?P<before>[ \t]*(?:[A-Za-z]\w*[ \t(]+)?["'](?P<name>[\w.-]+:[\w.-]+):)"""
    rb"""(?P<version>[\w.+-]+)(?P<behind>["'].*)""",
    re.DOTALL,
)


def read_gradle(text: bytes, facts: Facts) -> Block:  # noqa: ARG001 (the readers' shape)
    """A build script of Gradle line by line; a dependency is known by its group and name, whatever its version."""
    cuts: list[Cut] = []
    for start, line in numbered(text):
        if not line.strip():
            continue
        found = _COORDINATES.match(line)
        end = start + len(line)
        value = (start + found.start("version"), start + found.end("version")) if found else (start, end)
        known = (*found["before"].split(), found["behind"].strip()) if found else tuple(line.split())
        shown = found["name"].decode("utf-8", "replace") if found else "a line"
        cuts.append(Cut(key=known, name=shown, start=start, value=value, end=end))
    return lines_block(text, (0, len(text)), cuts, keyed=False)


def data_of_gradle(text: bytes, facts: Facts) -> object:  # noqa: ARG001 (the readers' shape)
    """The lines, each with the version that it asks for."""
    rows: list[object] = []
    for line in split_lines(text):
        said = b" ".join(line.split()).decode("utf-8", "surrogateescape")
        if said:
            found = re.fullmatch(r"""(.*?["'][\w.-]+:[\w.-]+:)([\w.+-]+)(["'].*)""", said)
            rows.append({"id": f"{found[1]}{found[3]}", "version": found[2]} if found else {"id": said})
    return rows
