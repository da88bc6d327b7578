"""Whether the imports that the sides added are needed in what becomes of the file.

An import is kept for a use. Where that use stands in a place that nobody has decided yet, the import waits for it:
people who drop the lines drop their import too.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Conflict, HunkAnswer, splice
from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Piece, file_body
from flowforge.merge.names import Names, all_imports, bound
from flowforge.merge.sides import MAX_BYTES, Versions
from flowforge.merge.syntax import parse
from flowforge.merge.weave import OPEN_IMPORTS, UNKNOWN_IMPORTS


@dataclass(frozen=True)
class Needs:
    """What the sides' new imports bring, and what the decided part of the result has and uses."""

    sides: Versions
    known: frozenset[bytes]  # names that the real base's imports bring
    added: tuple[Sequence[Piece], Sequence[Piece]]  # by upstream and by the commit
    real: tuple[Names, Names]  # of upstream's and of the commit's file
    decided: Names  # of the result without its open hunks
    whole: bool  # no hunk is open

    @classmethod
    def of(
        cls, conflict: Conflict, answers: Sequence[HunkAnswer], sides: Versions, real: Sequence[Names]
    ) -> "Needs":
        """`real`: the names of base, upstream and commit, as the files are."""
        texts = {answer.index: answer.text for answer in answers}
        filled = [texts.get(hunk.index, b"") for hunk in conflict.hunks]
        base, upstream, commit = (list(all_imports(file_body(source))) for source in sides.sources)
        known = {piece.text.strip() for piece in base}
        added = [[p for p in row if p.text.strip() not in known] for row in (upstream, commit)]
        return cls(
            sides=sides,
            known=real[0].imported,
            added=(added[0], added[1]),
            real=(real[1], real[2]),
            decided=Names.of(parse(splice(conflict.segments, filled), sides.sources[0].language)),
            whole=len(answers) == len(conflict.hunks),
        )

    def check(self, hunk: int) -> str:
        """The rule for the imports of one hunk, where another than that which decided it: "" if none.

        Raises:
            Doubt: `use_open`: a name's use, or what is not known to be one, is in an open place; `duplicate`: a
                name would be imported twice.
        """
        unknown = False
        for piece, used in self._of(hunk):
            names = bound(piece)
            unknown = unknown or not names
            for name in sorted(names - self.known):
                self._check(name, used)
        if unknown and not self.whole:
            raise Doubt("use_open", "an import's names are not told, and places are still to be decided")
        return UNKNOWN_IMPORTS if unknown else "" if self.whole else OPEN_IMPORTS

    def _check(self, name: bytes, used: Counter[bytes]) -> None:
        word = repr(name.decode("utf-8", "replace"))
        if used[name] and not self.decided.used[name]:
            raise Doubt("use_open", f"{word} is imported for places that are still to be decided")
        if self.decided.brought[name] > max(1, *(side.brought[name] for side in self.real)):
            raise Doubt("duplicate", f"{word} would be imported twice")

    def _of(self, hunk: int) -> Iterator[tuple[Piece, Counter[bytes]]]:
        """New imports that stand in a hunk; all of the file's where that is not known."""
        for place, (pieces, names) in enumerate(zip(self.added, self.real, strict=True), start=1):
            low, high = self.sides.hunks[place][hunk] if self.sides.hunks else (0, MAX_BYTES)
            for piece in pieces:
                if piece.span.start < high and low < piece.span.end:
                    yield piece, names.used
