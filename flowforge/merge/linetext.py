"""Formats made of lines: `.properties`, `.ini` and setup.cfg.

What their own parser says is read apart from the cutting: by configparser for `.ini`, and for `.properties`,
whose parser is Java's, by a second, shorter reading of its rules.
"""

import configparser
import re
from collections.abc import Callable, Sequence

from flowforge.merge.doubt import Doubt
from flowforge.merge.facts import Facts
from flowforge.merge.keyed import Block, Cut, lines_block
from flowforge.merge.rows import Line, joined_lines, numbered, requirement

_PROPERTY = re.compile(rb"[ \t\f]*((?:\\.|[^\\\s:=])+)(?:[ \t\f]*[:=])?[ \t\f]*", re.DOTALL)


def read_properties(text: bytes, facts: Facts) -> Block:  # noqa: ARG001 (the readers' shape)
    """Java's `.properties`: one entry a key."""
    cuts: list[Cut] = []
    for start, line in joined_lines(numbered(text)):
        if not line.strip() or line.lstrip()[:1] in {b"#", b"!"}:
            continue
        found = _PROPERTY.match(line)
        if found is None:
            raise Doubt("does_not_parse", "a line is no property")
        end = start + len(line)
        value = (start + min(found.end(), len(line.rstrip(b"\r\n"))), start + len(line.rstrip(b"\r\n")))
        name = found.group(1).decode("utf-8", "replace")
        cuts.append(Cut(key=name, name=name, start=start, value=value, end=end))
    return lines_block(text, (0, len(text)), cuts)


def data_of_properties(text: bytes, facts: Facts) -> object:  # noqa: ARG001 (the readers' shape)
    """Keys and values.

    Raises:
        ValueError: a key stands twice.
    """
    logical = re.sub(r"(?m)^[ \t\f]*[#!].*$", "", text.decode("utf-8", "surrogateescape"))
    logical = re.sub(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*", r"\1", logical)
    pairs: dict[str, object] = {}
    for line in logical.splitlines():
        if not line.strip():
            continue
        key, value = re.fullmatch(r"\s*((?:\\.|[^\\\s:=])*)\s*[:=]?\s*(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
        if key in pairs:
            raise ValueError(f"{key} stands twice")
        pairs[key] = value.rstrip()
    return pairs


_SECTION = re.compile(rb"\[([^\]\r\n]+)\]")
_OPTION = re.compile(rb"([^\s:=#;\[][^:=\r\n]*?)[ \t]*[:=][ \t]*")


def read_ini(text: bytes, facts: Facts) -> Block:
    """Sections by name, options by theirs; further lines of a value are indented."""
    cuts: list[Cut] = []
    lines = numbered(text)
    heads = [place for place, (_, line) in enumerate(lines) if _SECTION.match(line)]
    if any(line.strip() and not _is_note(line) for _, line in lines[: heads[0] if heads else None]):
        raise Doubt("layout", "something stands before the first section")
    for head, following in zip(heads, [*heads[1:], len(lines)], strict=False):
        found = _SECTION.match(lines[head][1])
        name = found.group(1).decode("utf-8", "replace") if found else ""
        body = lines[head + 1 : following]
        options = _options(text, body, name, facts)
        start = lines[head][0]
        below = start + len(lines[head][1])
        end = options[-1].end if options else below
        cuts.append(
            Cut(
                key=name,
                name=f"[{name}]",
                start=start,
                value=(below, end),
                end=end,
                inside=_opener(text, (below, end), options),
            )
        )
    return lines_block(text, (0, len(text)), cuts)


def _opener(text: bytes, span: tuple[int, int], cuts: Sequence[Cut]) -> Callable[[], Block]:
    return lambda: lines_block(text, span, cuts)


def _is_note(line: bytes) -> bool:
    return line.lstrip()[:1] in {b"#", b";"}


def _options(text: bytes, lines: Sequence[Line], section: str, facts: Facts) -> list[Cut]:
    groups: list[list[Line]] = []
    for start, line in lines:
        if line[:1] in {b" ", b"\t"} and line.strip() and groups:
            groups[-1].append((start, line))
        elif line.strip() and not _is_note(line):
            groups.append([(start, line)])
    return [_option(text, group, section, facts) for group in groups]


def _option(text: bytes, lines: Sequence[Line], section: str, facts: Facts) -> Cut:
    start, first = lines[0]
    found = _OPTION.match(first)
    name = (found.group(1) if found else first.strip()).decode("utf-8", "replace")
    end = lines[-1][0] + len(lines[-1][1])
    at = start + found.end() if found else start + len(first.rstrip(b"\r\n"))
    key = facts.item_key((section, name.lower()))
    below = start + len(first)
    items = [(s, line) for s, line in lines[1:] if not _is_note(line)]
    if key is None or text[at:below].strip() or not items:
        stop = at + len(text[at:end].rstrip(b"\r\n"))
        return Cut(key=name.lower(), name=name, start=start, value=(at, stop), end=end)
    cuts = [requirement(s, line) for s, line in items]
    return Cut(
        key=name.lower(),
        name=name,
        start=start,
        value=(below, end),
        end=end,
        inside=lambda: lines_block(text, (below, end), cuts),
    )


def data_of_ini(text: bytes, facts: Facts) -> object:
    """Sections of options, by configparser.

    Raises:
        ValueError: it cannot be read.
    """
    parser = configparser.ConfigParser(interpolation=None, allow_no_value=True, default_section="\0")
    try:
        parser.read_string(text.decode())
    except (configparser.Error, AttributeError) as error:  # a further line of an option without a value
        raise ValueError(str(error)) from error
    return {
        section: {name: _value(value, facts, (section, name)) for name, value in parser[section].items()}
        for section in parser.sections()
    }


def _value(value: str | None, facts: Facts, path: tuple[str, ...]) -> object:
    if value is not None and facts.item_key(path) and value.startswith("\n"):
        return [line.strip() for line in value.splitlines() if line.strip()]
    return value
