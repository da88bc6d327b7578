"""Which other files of a change a file must be read together with: one side took away what the other began to use.

By words and lines only, whatever the language; a validator that knows it decides. Too many is a little time, one
too few a break unseen, so a definition is whatever looks like one.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flowforge.core.conflict import split_lines
from flowforge.hooks.contracts import Neighbour

MOST_FILES = 3000  # that either side changed; beyond it a branch is compared by its tests
LARGEST = 1 << 20  # bytes of a version that is read
_MOST_RELATED = 30  # files beside one
_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
_NAME = rb"([A-Za-z_$][\w$]*)"
_DEFINITIONS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        rb"\b(?:class|const|def|enum|fn|func|function\*?|interface|let|namespace|object|record|struct|trait|type|val|var)"
        rb"[ \t]+(?:\([^)\n]*\)[ \t]*)?" + _NAME,
        rb"^[ \t]*(?:(?:export|default|async)[ \t]+)*" + _NAME + rb"[ \t]*(?::[^=\n]*)?=(?!=)",
        rb"\bexports\." + _NAME,
        rb"^[ \t]*(?:abstract|default|final|private|protected|public|static|synchronized)\b[^\n(=;]*\b"
        + _NAME
        + rb"[ \t]*\(",
        rb"^\t" + _NAME + rb"\b",  # one line of Go's groups
        rb"^[^\n]*\b(?:import|export|exports|__all__)\b[^\n]*$",  # every word of such a line may be offered on
    )
)


@dataclass(frozen=True, kw_only=True)
class _Side:
    """What one side did, by file and by name."""

    lost: Mapping[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))  # name -> files
    gained: Mapping[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    used: dict[int, frozenset[bytes]] = field(default_factory=dict)  # file -> words of its new lines


def related(files: Sequence[Neighbour]) -> dict[str, tuple[Neighbour, ...]]:
    """For each file of the result, the files that it must be read with; those without any are left out.

    `files` are all that a side changed since the merge base. Linear in their lines.
    """
    sides = _side(files, "upstream"), _side(files, "commit")
    found: dict[str, tuple[Neighbour, ...]] = {}
    for number, file in enumerate(files):
        if file.text is None:
            continue
        others: dict[int, None] = {}
        for user, remover in (sides, sides[::-1]):
            names = [name for name in sorted(user.used.get(number, ())) if name in remover.lost]
            _add(others, (at for name in names for at in remover.lost[name]))
            _add(others, (at for name in names for side in sides for at in side.gained.get(name, ())))
        others.pop(number, None)
        if others:
            found[file.path] = tuple(files[at] for at in list(others)[:_MOST_RELATED])
    return found


def _add(others: dict[int, None], more: Iterable[int]) -> None:
    others.update(dict.fromkeys(more))


def _side(files: Sequence[Neighbour], name: str) -> _Side:
    side = _Side()
    for number, file in enumerate(files):
        version: bytes | None = getattr(file, name)
        if version == file.base:
            continue
        before, after = _lines(file.base), _lines(version)
        gone, new = before - after, after - before
        stem = {PurePosixPath(file.path).stem.encode(), PurePosixPath(file.path).parent.name.encode()}
        for word in _undefined(gone, after) | (stem if version is None else frozenset()):
            side.lost[word].append(number)
        for word in _defined(new) | (stem if file.base is None else frozenset()):
            side.gained[word].append(number)
        if new:
            side.used[number] = frozenset(_WORD.findall(b"\n".join(new)))
    return side


def _undefined(gone: Collection[bytes], after: Collection[bytes]) -> frozenset[bytes]:
    """Names that the lines `gone` defined, and `after` does not."""
    names = _defined(gone)
    if not names:
        return names
    still = [line for line in after if not names.isdisjoint(_WORD.findall(line))]
    return names - _defined(still)


def _defined(lines: Collection[bytes]) -> frozenset[bytes]:
    """Names that look as if these lines gave them a meaning."""
    text = b"\n".join(lines)
    *patterns, lists = _DEFINITIONS
    found = {name for pattern in patterns for name in pattern.findall(text)}
    found.update(_WORD.findall(b"\n".join(lists.findall(text))))
    return frozenset(found)


def _lines(text: bytes | None) -> set[bytes]:
    return {line.rstrip() for line in split_lines(text)} if text else set()
