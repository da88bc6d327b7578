"""The line ends of an answer: those that its place has, whatever JSON made of them."""

from collections import Counter
from collections.abc import Mapping, Sequence

from flowforge.core.conflict import Hunk, split_lines


def fit_line_ends(text: str, hunk: Hunk) -> str:
    """The sides' line ends, line by line where they are mixed, and a last one as the sides merge it.

    A carriage return that ends no line is left for whoever looks at characters.
    """
    if text and not text.endswith("\n") and _ends_with_line_end(hunk):
        text += "\n"
    sides = [line for side in (hunk.upstream, hunk.commit, hunk.base) for line in split_lines(side)]
    ends = Counter(_end(line) for line in sides if line.endswith(b"\n"))
    usual = max(ends, key=lambda end: ends[end], default="\n")
    own = _own_ends(sides) if len(ends) > 1 else {}
    lines = text.replace("\r\n", "\n").split("\n")
    return "".join(f"{line}{own.get(line, usual)}" for line in lines[:-1]) + lines[-1]


def _own_ends(lines: Sequence[bytes]) -> Mapping[str, str]:
    """The end of each line that always has the same one."""
    known: dict[str, set[str]] = {}
    for line in lines:
        known.setdefault(line.rstrip(b"\r\n").decode(errors="replace"), set()).add(_end(line))
    return {line: ends.pop() for line, ends in known.items() if len(ends) == 1}


def _end(line: bytes) -> str:
    return "\r\n" if line.endswith(b"\r\n") else "\n"


def _ends_with_line_end(hunk: Hunk) -> bool:
    """The three-way merge of "has a last line end"; a side without text has no say."""
    said = [side.endswith(b"\n") for side in (hunk.upstream, hunk.commit) if side]
    if len(set(said)) == 1:
        return said[0]
    return not hunk.base.endswith(b"\n") if said and hunk.base else True
