"""Names across a whole file: what one side does to a name and the other relies on.

A hunk shows neither the import that a removed line needed nor the use that a renamed one still has; the real
files do. Names are words of the text, so a word in a comment counts too: that errs towards a doubt.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from flowforge.core.conflict import Hunk
from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Body, Piece, Role, file_body, open_piece
from flowforge.merge.syntax import Node, Source, find

_NAME = re.compile(rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*")
_PLACEHOLDER = b"_"


def bound(piece: Piece) -> frozenset[bytes]:
    """The names that an import brings; the last word where its source is its name, none where it brings all."""
    node, language = piece.node, piece.span.source.language
    if node is None or language.import_opaque:
        return frozenset()
    text = (node.text or b"").rstrip(b" ;")
    if text.endswith((b"*", b"._")):
        return frozenset()
    source = find(node, language.import_source) if language.import_source else None
    if source is not None and source.id != node.id:
        words = _words(node, source)
        return frozenset(words) - {_PLACEHOLDER} if words else frozenset(_words(node)[-1:])
    names = find(node, language.import_names) if language.import_names else None
    if names is not None and names.id != node.id:
        return frozenset(_words(names)) - {_PLACEHOLDER}
    return frozenset(_words(node)[-1:])


def _words(node: Node, without: Node | None = None) -> list[bytes]:
    """The names in a tree, keywords left out: those are leaves that the grammar gives no name."""
    words: list[bytes] = []
    stack = [node]
    while stack:
        at = stack.pop()
        if without is not None and at.id == without.id:
            continue
        if at.child_count:
            stack.extend(reversed(at.children))
        elif at.is_named:
            words.extend(_NAME.findall(at.text or b""))
    return words


def uses(text: bytes) -> Counter[bytes]:
    """How often each name stands in a text."""
    return Counter(_NAME.findall(text))


@dataclass(frozen=True)
class Names:
    """The names of one version of a file: how often its imports bring each, and how often each is used."""

    brought: Counter[bytes]
    used: Counter[bytes]  # imports left out

    @cached_property
    def imported(self) -> frozenset[bytes]:
        return frozenset(self.brought)

    @classmethod
    def of(cls, source: Source) -> "Names":
        used = uses(source.text)
        brought: Counter[bytes] = Counter()
        for piece in all_imports(file_body(source)):
            brought.update(bound(piece))
            used.subtract(uses(piece.text))
        return cls(brought, +used)


def imports_in(body: Body) -> Iterator[bytes]:
    """The texts of a file's imports: where they are the same on all sides, no import is in trouble."""
    return (piece.text for piece in body.pieces if piece.role is Role.IMPORT)


def all_imports(body: Body) -> Iterator[Piece]:
    """The single imports of a file, those of blocks too."""
    for piece in body.pieces:
        inner = open_piece(piece) if piece.role is Role.IMPORT else None
        if inner is not None:
            yield from all_imports(inner)
        elif piece.role is Role.IMPORT:
            yield piece


def troubled(sides: Sequence[Names], result: Names) -> Iterator[tuple[bytes, str]]:
    """Imported names that the result would miss or bring for nothing, each with a sentence's end.

    `sides`: base, upstream and commit. A name that a side used no more, or did without, says nothing.
    """
    base, upstream, commit = sides
    for side in (upstream, commit):
        for name in side.imported - base.imported:
            if name in result.imported and side.used[name] and not result.used[name]:
                yield name, "is imported by one side for lines that the other removed"
    for side, other in ((upstream, commit), (commit, upstream)):
        for name in side.imported - other.imported - result.imported:
            if result.used[name] and not other.used[name]:
                yield name, "is imported no more by one side and used by the other"


def check_hunk_names(
    hunk: Hunk, files: Sequence[Counter[bytes]], trouble: Sequence[tuple[bytes, str]], *, words: bool
) -> None:
    """Check the names of one hunk against what each side did to them in the whole file.

    `files`: the `uses` of the real base, upstream and commit, imports too, for trees cost more than they tell.
    `words`: the hunk was merged word by word, so less use of a name by the other side is a doubt already.

    Raises:
        Doubt: `opposed`: one side adds what the other uses no more, or an import and its use part.
    """
    base, *sides = (uses(text) for text in (hunk.base, hunk.upstream, hunk.commit))
    for name, what in trouble:
        if len({side[name] for side in (base, *sides)}) > 1:
            raise Doubt("opposed", f"{_show(name)} {what}")
    for side, other in zip(sides, (files[2], files[1]), strict=True):
        for name in side - base:
            if other[name] < files[0][name] and (words or not other[name]):
                raise Doubt("opposed", f"one side adds {_show(name)}, which the other removes")


def _show(name: bytes) -> str:
    return repr(name.decode("utf-8", "replace"))
