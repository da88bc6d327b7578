"""Documents as blocks of entries: what every format is read into, and how a block becomes text again.

A format cuts a text without a gap: `open`, then for each entry `lead` (blank lines and comments that travel with
it), `head` (up to its value), `value`, `tail`, a separator where the format has one, `after` (a comment behind it
on the same line), then `close`. So an entry is moved, added or taken away whole, and printing what was read gives
the same bytes. Values are opened only where both sides changed them.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from flowforge.merge.doubt import Doubt

Key = Hashable
DOCUMENT = ""  # the key of an entry that holds a whole document
Span = tuple[int, int]  # bytes in one side's text


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member of a block. `key` tells it from its neighbours; an item of a sequence has its text for one."""

    key: Key
    name: str  # as a person would say it
    lead: bytes = b""
    head: bytes
    value: bytes
    tail: bytes = b""
    after: bytes = b""
    span: Span
    inside: "Callable[[], Block | None] | None" = None  # reads the value as a block; None where it is none
    placed: bool = False  # its place among new neighbours has a meaning

    @property
    def body(self) -> bytes:
        return self.head + self.value + self.tail

    def says(self, other: "Entry") -> bool:
        """Whether both hold the same, whatever stands around them."""
        mine, theirs = (self.head, self.value, self.tail), (other.head, other.value, other.tail)
        return [part.strip() for part in mine] == [part.strip() for part in theirs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Entries in a row. `keyed`: any order means the same, and a key stands once; else the order is told."""

    entries: tuple[Entry, ...]
    span: Span
    open: bytes = b""
    close: bytes = b""
    between: bytes = b""  # stands after each entry but the last
    trailing: bool = False  # and after the last, too
    keyed: bool = True
    inline: bool = False  # the first entry begins in the middle of a line, so it must stay first


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """An entry as it will stand."""

    key: Key
    lead: bytes
    body: bytes
    after: bytes = b""


def by_key(block: Block | None) -> dict[Key, Entry]:
    """The entries by key.

    Raises:
        Doubt: a key stands twice.
    """
    found: dict[Key, Entry] = {}
    for entry in block.entries if block else ():
        if entry.key in found:
            raise Doubt("duplicate", f"the key {entry.name} stands twice")
        found[entry.key] = entry
    return found


def printed(block: Block, entries: Sequence[Printed]) -> bytes:
    """The text of `block` with these entries in place of its own.

    Raises:
        Doubt: `layout`, where they cannot stand beside each other as they are.
    """
    if block.inline and (not entries or entries[0].key != block.entries[0].key):
        raise Doubt("layout", "another entry would have to stand first on its line")
    if block.between:
        return _separated(block, entries)
    lines = [entry.lead + entry.body + entry.after for entry in entries]
    return block.open + b"".join(lines) + block.close


def _separated(block: Block, entries: Sequence[Printed]) -> bytes:
    if not block.entries:
        raise Doubt("layout", "upstream's list is empty, so its layout is not known")
    if not entries:
        return block.open + block.close.lstrip()
    first, *others = (entry.lead for entry in block.entries)
    leads = [entry.lead for entry in entries]
    if all(b"\n" not in lead for lead in leads):
        gap = others[0] if others else b" "
        leads = [first] + [gap] * (len(entries) - 1)
    elif any(b"\n" not in lead for lead in leads) or len({_indent(lead) for lead in leads}) > 1:
        raise Doubt("layout", "the sides lay the same place out differently")
    parts = [block.open]
    for number, (lead, entry) in enumerate(zip(leads, entries, strict=True)):
        last = number == len(entries) - 1
        parts += [lead, entry.body, b"" if last and not block.trailing else block.between, entry.after]
    return b"".join([*parts, block.close])


def _indent(lead: bytes) -> bytes:
    return lead.rpartition(b"\n")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where an entry of a format made of lines stands: whole lines, but for a first one that is inline."""

    key: Key
    name: str
    start: int
    value: Span
    end: int  # behind the line end
    inside: Callable[[], Block | None] | None = None
    placed: bool = False


def lines_block(text: bytes, span: Span, cuts: Sequence[Cut], *, keyed: bool = True) -> Block:
    """A block of lines: what stands between two entries leads the second; behind the last it closes the block.

    Raises:
        Doubt: `layout`, where entries overlap.
    """
    entries: list[Entry] = []
    at = span[0]
    for cut in cuts:
        if not at <= cut.start <= cut.value[0] <= cut.value[1] <= cut.end <= span[1]:
            raise Doubt("layout", f"it cannot be told where {cut.name} begins and ends")
        entries.append(
            Entry(
                key=cut.key,
                name=cut.name,
                lead=text[at : cut.start],
                head=text[cut.start : cut.value[0]],
                value=text[cut.value[0] : cut.value[1]],
                tail=text[cut.value[1] : cut.end],
                span=(at, cut.end),
                inside=cut.inside,
                placed=cut.placed,
            )
        )
        at = cut.end
    inline = bool(cuts) and cuts[0].start > 0 and text[cuts[0].start - 1 : cuts[0].start] != b"\n"
    return Block(entries=tuple(entries), span=span, close=text[at : span[1]], keyed=keyed, inline=inline)


def line_start(text: bytes, at: int) -> int:
    return text.rfind(b"\n", 0, at) + 1


def line_end(text: bytes, at: int) -> int:
    """Behind the line end that follows `at`; `at` itself where it stands at the beginning of a line."""
    if at and text[at - 1 : at] == b"\n":
        return at
    found = text.find(b"\n", at)
    return len(text) if found < 0 else found + 1
