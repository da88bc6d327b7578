"""Lines with where they begin, and a line that asks for a package: what formats made of lines share."""

import re
from collections.abc import Hashable, Sequence

from flowforge.core.conflict import split_lines
from flowforge.merge.facts import requirement_key
from flowforge.merge.keyed import Cut

Line = tuple[int, bytes]  # where it begins, and it


def numbered(text: bytes, start: int = 0) -> list[Line]:
    lines: list[Line] = []
    for line in split_lines(text):
        lines.append((start, line))
        start += len(line)
    return lines


def joined_lines(lines: Sequence[Line]) -> list[Line]:
    """Lines with those that a backslash at their end goes on into."""
    joined: list[Line] = []
    going_on = False
    for start, line in lines:
        if going_on:
            joined[-1] = (joined[-1][0], joined[-1][1] + line)
        else:
            joined.append((start, line))
        bare = line.rstrip(b"\r\n")
        note = joined[-1][1].lstrip()[:1] in {b"#", b"!"}
        going_on = not note and (len(bare) - len(bare.rstrip(b"\\"))) % 2 == 1
    return joined


_NAME = re.compile(rb"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?[ \t]*")


def requirement(start: int, line: bytes) -> Cut:
    """The entry of one requirement; an option of pip is one by its whole line."""
    said = line.split(b" #")[0].rstrip()
    found = None if said.lstrip().startswith(b"-") or b"://" in said else _NAME.match(said)
    at = found.end() if found else len(said)
    key: Hashable = requirement_key(said.decode("utf-8", "replace")) if found else said.strip()
    name = said[:at].strip().decode("utf-8", "replace").lower()
    return Cut(
        key=key,
        name=name,
        start=start,
        value=(start + at, start + len(said)),
        end=start + len(line),
        placed=found is None,
    )
