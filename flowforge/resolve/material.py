"""Material of a prompt as text: the code around hunks with the hunks in it, and definitions. Pure.

What is ours stands on lines with the delimiter; everything else is the repository's.
"""

from collections.abc import Iterator, Mapping

from flowforge.core.conflict import Hunk, Side
from flowforge.merge.around import Place
from flowforge.merge.defined import Definition

_CHANGED = (
    ("commit", "the commit also changed here, and git merged (a diff against upstream's own text)"),
    ("upstream", "upstream also changed here, and git merged (a diff against the commit's own text)"),
    ("both", "both changed here alike (a diff against base's own text)"),
)


def of_place(place: Place, hunks: Mapping[int, Hunk], delimiter: str) -> str:
    """The code around some hunks; each hunk stands where it is, in three texts with the names of their sides."""
    return "\n".join(_lines(place, hunks, f"--- {delimiter} "))


def _lines(place: Place, hunks: Mapping[int, Hunk], mark: str) -> Iterator[str]:
    numbers = ", ".join(map(str, place.hunks))
    yield f"{mark}around hunk{'s' if len(place.hunks) > 1 else ''} {numbers}"
    for part in place.parts:
        if part is None:
            yield f"{mark}lines left out"
        elif isinstance(part, str):
            yield part.removesuffix("\n")
        else:
            yield from _hunk(hunks[part], mark)
    for side, title in _CHANGED:
        diff = getattr(place.changed, side)
        if diff:
            yield f"{mark}what {title}"
            yield diff


def _hunk(hunk: Hunk, mark: str) -> Iterator[str]:
    yield f"{mark}hunk {hunk.index}, line {hunk.line}"
    for side in (Side.UPSTREAM, Side.BASE, Side.COMMIT):
        text = hunk.side(side).decode("utf-8", "replace")
        yield f"{mark}{side.value} of hunk {hunk.index}{'' if text else ' (empty)'}"
        if text:
            yield text.removesuffix("\n")
    yield f"{mark}end of hunk {hunk.index}"


def of_definition(one: Definition) -> str:
    """A definition under a line that says where it stands."""
    where = [part for part in (one.path, one.holder) if part]
    short = "" if one.whole else "[only its head] "
    return f"{short}{', '.join(where) or 'this file'}:\n{one.text}"
