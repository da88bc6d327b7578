"""Definitions of the names that a hunk uses: in its own file, and in files that its imports lead to.

A definition is told whole where it is short, else by its signature. Names are words of the text; what none of them
defines is left out. Runs in a child process.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Conflict, Side
from flowforge.hooks.contracts import Language
from flowforge.merge.entities import Body, Piece, Role, file_body, open_piece
from flowforge.merge.names import all_imports, bound, uses
from flowforge.merge.rowtext import Range, rows_of
from flowforge.merge.sides import MAX_BYTES
from flowforge.merge.syntax import Node, find, parse

LOAD = "flowforge.merge.defined:defined_there"
WHOLE = 600  # bytes of a definition that is told whole
_SIGNATURE = 400
_MOST = 12  # definitions of one file
_MOST_NAMES = 60
_DEEPEST = 4
_MEMBER = re.compile(rb"(?:\.|::|->)\s*([A-Za-z_]\w*)")
_ALIAS = re.compile(r"\s+(?:as|=>)\s+\S+$")
_WORD = re.compile(rb"[A-Za-z_$][\w$]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """`path` is "" for the conflicted file itself; `whole`: not only a signature."""

    name: str
    text: str
    path: str = ""
    holder: str = ""  # the class or the like that it is a member of
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Names that an import brings and a hunk uses. `source` is what it imports from, as it is written."""

    source: str
    names: tuple[str, ...]  # what is brought, and what is used of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the conflicted file itself says of the names in its hunks."""

    definitions: tuple[Definition, ...] = ()
    imports: tuple[Wanted, ...] = ()


def defined_here(conflict: Conflict, language: Language, shown: Sequence[Range]) -> Known:
    """What git's merge (with upstream's hunks, then with the commit's) defines and imports of the names in the hunks.

    `shown`: rows that are told anyway. Definitions in changed lines of a hunk stand in the hunk and are left out.
    """
    rows = rows_of(conflict)
    names = _names(conflict)
    if not names or not _defines_any(language) or max(rows.starts[side][-1] for side in Side) > MAX_BYTES:
        return Known()
    found: dict[str, Definition] = {}
    source = parse(rows.text(Side.UPSTREAM), language)
    body = file_body(source)
    for piece, holder in _defining(body, ""):
        name = _name(piece)
        at = rows.covering(Side.UPSTREAM, piece.span.start, piece.span.end)
        told = any(low < at[1] and at[0] < high for low, high in shown) or any(
            at[0] <= hunk < at[1] for hunk in rows.at.values()
        )
        if name in names and name not in found and not told:
            found[name] = _definition(piece, name, holder)
    ranked = sorted(found.values(), key=lambda one: names[one.name])
    return Known(definitions=tuple(ranked[:_MOST]), imports=tuple(_imports(conflict, body, language)))


def defined_there(
    files: Mapping[str, bytes], wanted: Mapping[str, Sequence[str]], languages: Mapping[str, Language]
) -> tuple[Definition, ...]:
    """Definitions of names in other files: of those that are wanted from each path, in their order."""
    found: list[Definition] = []
    for path, text in files.items():
        names = {name: place for place, name in reversed(list(enumerate(wanted[path])))}
        if len(text) > MAX_BYTES or not any(name.encode() in text for name in names):
            continue
        here: dict[str, Definition] = {}
        for piece, holder in _defining(file_body(parse(text, languages[path])), ""):
            name = _name(piece)
            if name in names and name not in here:
                here[name] = _definition(piece, name, holder, path)
        found.extend(sorted(here.values(), key=lambda one: names[one.name])[:_MOST])
    return tuple(found)


def _defines_any(language: Language) -> bool:
    """Whether what the language names is what a use of that name means: not so in style sheets and documents."""
    return bool(language.grammar) and any(rule.kind in {"function", "method"} for rule in language.entities)


def _names(conflict: Conflict) -> Mapping[str, int]:
    """Names of the hunks by rank: those of lines that a side changed come first, then by how often they are used."""
    changed: Counter[bytes] = Counter()
    every: Counter[bytes] = Counter()
    for hunk in conflict.hunks:
        base = uses(hunk.base)
        for side in (hunk.upstream, hunk.commit):
            said = uses(side)
            every += said
            changed += said - base
    ranked = sorted(every, key=lambda name: (-changed[name], -every[name], name))
    words = [name.decode("utf-8", "replace") for name in ranked if len(name) > 1]
    return {name: rank for rank, name in enumerate(words[:_MOST_NAMES])}


def _defining(body: Body, holder: str, depth: int = 0) -> Iterator[tuple[Piece, str]]:
    for piece in body.pieces:
        if piece.role is not Role.ENTITY:
            continue
        yield piece, holder
        inner = open_piece(piece) if depth < _DEEPEST else None
        if inner is not None:
            yield from _defining(inner, _name(piece), depth + 1)


def _name(piece: Piece) -> str:
    words = _WORD.findall(piece.key[1])
    return words[-1].decode("utf-8", "replace") if words else ""


def _definition(piece: Piece, name: str, holder: str, path: str = "") -> Definition:
    text = piece.text
    whole = len(text) <= WHOLE
    shown = text if whole else _signature(piece)
    return Definition(
        name=name, text=shown.decode("utf-8", "replace").rstrip("\n"), path=path, holder=holder, whole=whole
    )


def _signature(piece: Piece) -> bytes:
    """The lines of a definition down to where its body begins; its first line where that is not known."""
    text, node = piece.span.source.text, piece.node
    if node is None:
        return _first_lines(piece.text)
    inner = open_piece(piece)
    body = _body(node)
    start = text.rfind(b"\n", 0, node.start_byte) + 1
    end = inner.header.end if inner is not None else body.start_byte if body is not None else piece.span.end
    said = text[start:end].rstrip()
    return said if 0 < len(said) <= _SIGNATURE else _first_lines(text[start : piece.span.end])


def _body(node: Node) -> Node | None:
    found = node.child_by_field_name("body")
    if found is None:
        value = find(node, "declarator|value|right")
        found = value.child_by_field_name("body") if value is not None else None
    return found


def _first_lines(text: bytes) -> bytes:
    return text.split(b"\n", 1)[0].rstrip()


def _imports(conflict: Conflict, body: Body, language: Language) -> Iterator[Wanted]:
    """The imports of which a hunk uses something, with what it uses."""
    texts = b"\n".join(text for hunk in conflict.hunks for text in (hunk.upstream, hunk.commit))
    used = uses(texts)
    for piece in all_imports(body):
        said = _from(piece, language)
        if not said:
            continue
        if language.import_opaque:
            yield Wanted(source=said, names=tuple(_names(conflict)))
            continue
        names = [name for name in bound(piece) if used[name]]
        members = list(dict.fromkeys(m for name in names for m in _members(name, texts)))
        if names:
            yield Wanted(source=said, names=_decoded([*members, *sorted(names)]))


def _members(name: bytes, text: bytes) -> Iterator[bytes]:
    """What is used of a name: `name.this`."""
    for found in re.finditer(rb"(?<![\w$])" + re.escape(name) + rb"(?=\s*(?:\.|::|->))", text):
        member = _MEMBER.match(text, found.end())
        if member:
            yield member[1]


def _from(piece: Piece, language: Language) -> str:
    """What an import imports from, without quotes."""
    node = piece.node
    if node is None:
        return ""
    source = find(node, language.import_source) if language.import_source else None
    if source is None:
        words = _ALIAS.sub("", (node.text or b"").decode("utf-8", "replace").strip(" ;\n")).split()
        return words[-1] if len(words) > 1 else ""
    return (source.text or b"").decode("utf-8", "replace").strip()


def _decoded(names: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.decode("utf-8", "replace") for name in names))
