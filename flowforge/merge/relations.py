"""How the two sides' changes of one hunk stand to each other, and what an answer that keeps both is worth.

Where one change holds the other, nothing had to be decided; where both speak of the same things, or do the same
work twice, people seldom keep both as they are. Lines are compared without their indentation.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Hunk, split_lines
from flowforge.merge.doubt import Doubt
from flowforge.merge.names import uses
from flowforge.merge.weave import DEFINITIONS

WITHIN = "one change within the other"
WITHIN_IMPORTS = "imports within the other side's"
CHANGED_IMPORTS = "changed imports"
BESIDE = "addition beside a change"
BESIDE_NAMES = "addition beside a change of the same words"
LINES = "different lines or definitions"
SIMILAR = "similar definitions"

Lines = Counter[bytes]
_TELLING = 12  # bytes of a line without its indentation: shorter ones stand in many places by accident
_NAME = 3  # bytes: shorter names are of variables, which mean something else in each function
_SHARED = 0.2  # of the smaller side's telling lines


def lines_of(text: bytes) -> Lines:
    """How often each line stands in a text, blank ones left out."""
    return Counter(bare for line in split_lines(text) if (bare := line.strip()))


@dataclass(frozen=True)
class Change:
    """The lines that one side alone added to a hunk and removed from it."""

    added: Lines
    removed: Lines

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    @property
    def is_layout(self) -> bool:
        """Whether only whitespace within the lines was changed."""
        return Counter(map(_bare, self.added.elements())) == Counter(map(_bare, self.removed.elements()))

    @property
    def words(self) -> frozenset[bytes]:
        return frozenset(uses(b"\n".join((*self.added, *self.removed))))


def _bare(line: bytes) -> bytes:
    return b"".join(line.split())


def changes(hunk: Hunk) -> tuple[Change, Change]:
    """Upstream's change and the commit's, without what both did."""
    base, one, two = (lines_of(text) for text in (hunk.base, hunk.upstream, hunk.commit))
    added, removed = (one - base) & (two - base), (base - one) & (base - two)
    upstream, commit = (Change(side - base - added, base - side - removed) for side in (one, two))
    return upstream, commit


def rule_of_lines(hunk: Hunk, imports: frozenset[bytes]) -> str:
    """The rule that keeps changes of different lines; `imports` are the lines of imports, in any version.

    Raises:
        Doubt: `reformatted` where one side changed nothing but spaces beside the other's change.
    """
    one, two = changes(hunk)
    sides = [lines_of(text) for text in (hunk.base, hunk.upstream, hunk.commit)]
    touched = {line for side in sides for line in side if len({other[line] for other in sides}) > 1}
    within = not one or not two
    if not within and (one.is_layout or two.is_layout):
        raise Doubt(
            "reformatted", "one side changed only the spaces of lines beside those that the other changed"
        )
    if not imports.isdisjoint(touched):
        return WITHIN_IMPORTS if within else CHANGED_IMPORTS
    if within:
        return WITHIN
    if (
        sum(bool(change.added) and not change.removed for change in (one, two)) == 1
        and one.added
        and two.added
    ):
        return BESIDE_NAMES if one.words & two.words else BESIDE
    return LINES


def rule_of_definitions(hunk: Hunk, text: bytes, known: Counter[bytes]) -> str:
    """The rule that keeps both sides' definitions; `text`: the merged one; `known`: the names in the file's base.

    Raises:
        Doubt: `made_twice` where both sides brought the same names with the same lines, which would stand twice.
    """
    one, two, merged = (lines_of(side) - lines_of(hunk.base) for side in (hunk.upstream, hunk.commit, text))
    once = Counter(
        {line: count for line, count in (one & two).items() if merged[line] <= max(one[line], two[line])}
    )
    own = one - once, two - once
    telling = [{line for line in lines if len(line) >= _TELLING} for lines in own]
    alike = len(telling[0] & telling[1]) >= _SHARED * max(1, min(map(len, telling)))
    words = [uses(b"\n".join(lines)).keys() for lines in own]
    names = sorted(name for name in (words[0] & words[1]) - known.keys() if len(name) >= _NAME)
    if alike and names:
        name = names[0].decode("utf-8", "replace")
        raise Doubt(
            "made_twice", f"both sides brought {name!r}, and lines that are the same: one change, made twice"
        )
    return SIMILAR if alike or names or once else DEFINITIONS


@dataclass(frozen=True)
class Files:
    """The lines of the real base, upstream and commit, and of the result, as far as it is known."""

    base: Lines
    upstream: Lines
    commit: Lines
    result: Lines

    @classmethod
    def of(cls, sides: Sequence[bytes], result: bytes) -> "Files":
        base, upstream, commit = map(lines_of, sides)
        return cls(base, upstream, commit, lines_of(result))


def check_twice(hunk: Hunk, text: bytes, files: Files) -> None:
    """Check that no line which the base has nowhere stands in the result more often than on both sides.

    Each side has added it, then, in different places: arithmetic explains it, but it is one change, made twice.

    Raises:
        Doubt: `made_twice`.
    """
    for line in sorted(lines_of(text) - lines_of(hunk.base)):
        sides = files.upstream[line], files.commit[line]
        if len(line) < _TELLING or line in files.base or not all(sides):
            continue
        if files.result[line] > max(sides):
            show = line[:80].decode("utf-8", "replace")
            raise Doubt(
                "made_twice",
                f"each side added {show!r} in another place, and the merged text would have both",
            )
