"""Pieces of a result in their order, and the blank lines between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Key

COMMIT = 2


@dataclass(slots=True)
class Placed:
    """A piece of the result with the blank lines before it."""

    key: Key
    lead: bytes
    text: bytes
    added: int = 0  # by which side, here: 1 upstream, 2 the commit, 0 nobody


def in_order(placed: Sequence[Placed]) -> Iterable[bytes]:
    """The text of placed pieces; two that were added side by side get the wider gap of the two."""
    before: Placed | None = None
    heads: dict[int, bytes] = {}  # of a run of additions: with which gap each side's begin
    for place, piece in enumerate(placed):
        lead = piece.lead
        heads = heads if piece.added else {}
        if before is not None and piece.added and before.added and piece.added != before.added:
            after = placed[place + 1] if place + 1 < len(placed) else None
            imported = before.key[0] == piece.key[0] == "import"
            lead = _group_gap(heads, before, piece) if imported else _gap(before, piece, after)
        heads.setdefault(piece.added, piece.lead)
        if before is not None and before.text and not before.text.endswith(b"\n"):
            raise Doubt("no_final_newline", "something was added after a last line without a line end")
        yield lead
        yield piece.text
        before = piece


def _group_gap(heads: Mapping[int, bytes], before: Placed, piece: Placed) -> bytes:
    """The gap between imports of two sides: none where both sides added to one group, or both began one."""
    if piece.added in heads:
        return piece.lead
    head = heads[before.added]
    return b"" if head == piece.lead else max(head, piece.lead, key=len)


def _gap(before: Placed, piece: Placed, after: Placed | None) -> bytes:
    """The gap between what each side added; at the top of a container the one after it, if it is a block."""
    gap = max(before.lead, piece.lead, key=len)
    block = before.text.count(b"\n") > 1 and piece.text.count(b"\n") > 1
    return after.lead if not gap and block and after is not None else gap
