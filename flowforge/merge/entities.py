"""A file as a row of pieces: entities, imports and other statements, each of whole lines.

Pieces cover their container's lines without a gap: blank lines before a piece are its `lead`, comments that
stand directly before an entity are part of it, and what no rule knows is a piece of plain text. An entity's
key is what it is (kind, name, and its signature where the name is not unique), never what it contains; only a
plain piece, which is nothing but its text, has its text for a key.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import Enum

from flowforge.hooks.contracts import EntityRule, Language
from flowforge.merge.syntax import Node, Source, find

Key = tuple[str, bytes, bytes]  # kind, name, signature


class Role(Enum):
    ENTITY = "entity"
    IMPORT = "import"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one side's text."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> bytes:
        return self.source.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of a container. `ordered` pieces keep their place; the others may stand in any order."""

    key: Key
    role: Role
    span: Span
    lead: bytes = b""
    ordered: bool = True
    node: Node | None = field(default=None, compare=False)
    rule: EntityRule | None = None
    label: bool = False  # says something about all that follows it

    @property
    def text(self) -> bytes:
        return self.span.text


@dataclass(frozen=True, slots=True)
class Body:
    """A container cut into its first lines, its pieces (with blank `tail` lines) and its last lines."""

    header: Span
    pieces: tuple[Piece, ...]
    tail: bytes
    footer: Span


def file_body(source: Source) -> Body:
    """The top level of a file."""
    start, end = len(_BOM) if source.text.startswith(_BOM) else 0, len(source.text)
    pieces, tail = _pieces(source, _flat(source.root.named_children, source.language), start, end)
    return Body(Span(source, 0, start), pieces, tail, Span(source, end, end))


_BOM = b"\xef\xbb\xbf"  # it belongs to the file, never to what happens to stand first


def open_piece(piece: Piece) -> Body | None:
    """The pieces inside an entity or an import block, None where it has none that stand on their own lines."""
    if piece.node is None:
        return None
    if piece.role is Role.IMPORT:
        body, rule = _container_of(piece.node, piece.span.source.language.import_containers), None
    else:
        rule = piece.rule
        body = find(piece.node, rule.body) if rule and rule.body else None
    edges = _edges(piece.node, body, rule) if body is not None else None
    return _cut_body(piece.span, edges) if edges is not None else None


def _container_of(node: Node, types: Sequence[str]) -> Node | None:
    if node.type in types:
        return node
    return next((child for child in node.named_children if child.type in types), None)


@dataclass(frozen=True, slots=True)
class _Edges:
    """The nodes of a body, where its head ends, and where its foot begins (-1: it has none)."""

    nodes: Sequence[Node]
    head: int
    foot: int


def _edges(node: Node, body: Node, rule: EntityRule | None) -> _Edges | None:
    """Where a body begins and ends: as its rule says, else by brackets, else by the words around it."""
    children = body.children
    if not children:
        return None
    if rule is not None and rule.opener:
        opener = find(node, rule.opener)
        closer = find(node, rule.closer) if rule.closer else None
        inside = [child for child in children if opener is not None and child.start_byte >= opener.end_byte]
        if closer is not None:
            inside = [child for child in inside if child.end_byte <= closer.start_byte]
        foot = closer.start_byte if closer is not None else -1
        return _Edges(inside, opener.end_byte, foot) if opener is not None else None
    opener = next((child for child in children if not child.is_named and child.type in _OPENERS), None)
    if opener is not None:
        return _Edges(children, opener.end_byte, -1 if children[-1].is_named else children[-1].start_byte)
    comments, head = _before(body)
    after = body.next_sibling
    foot = after.start_byte if after is not None and not after.is_named else -1
    return _Edges([*comments, *children], head, foot)


def _cut_body(span: Span, edges: _Edges) -> Body | None:
    source, text = span.source, span.source.text
    start = _line_end(text, edges.head)
    end = _line_start(text, edges.foot) if edges.foot >= 0 else span.end
    nodes = _flat([node for node in edges.nodes if node.is_named], source.language)
    inside = [node for node in nodes if node.start_byte >= start]
    cut = [node for node in nodes if edges.head <= node.start_byte < start]
    if not start <= end <= span.end or any(node.type not in source.language.comments for node in cut):
        return None
    if inside and _text_end(source, inside[-1]) > end:
        return None
    pieces, tail = _pieces(source, inside, start, end)
    return Body(Span(source, span.start, start), pieces, tail, Span(source, end, span.end))


_OPENERS = frozenset({"{", "(", "["})


def _before(body: Node) -> tuple[list[Node], int]:
    """Comments between the head of a block without an opening bracket and the block, and where the head ends."""
    comments: list[Node] = []
    before = body.prev_sibling
    while before is not None and before.is_extra:
        comments.insert(0, before)
        before = before.prev_sibling
    return comments, before.end_byte if before is not None else body.start_byte


def _flat(nodes: Sequence[Node], language: Language) -> list[Node]:
    """The nodes, with the children of those that are no container in their place."""
    if not language.transparent:
        return list(nodes)
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.named_children if node.type in language.transparent else [node])
    return flat


@dataclass(slots=True)
class _Lines:
    """Whole lines that hold `nodes`; nodes that share a line share these."""

    start: int
    end: int
    nodes: list[Node]


def _pieces(source: Source, nodes: Iterable[Node], low: int, high: int) -> tuple[tuple[Piece, ...], bytes]:
    """Pieces of the lines `low`..`high`, and the blank lines after the last one."""
    language = source.language
    attaching = {*language.comments, *language.prefixes}
    row = _Row(source, low, high)
    for lines in _by_lines(source, nodes, low):
        if all(node.type in attaching for node in lines.nodes):
            row.wait(lines)
        else:
            row.add(lines)
    row.flush()
    row.gap(high)
    return tuple(row.pieces), source.text[row.at : high]


def _by_lines(source: Source, nodes: Iterable[Node], low: int) -> list[_Lines]:
    text = source.text
    found: list[_Lines] = []
    for node in nodes:
        first = _text_start(source, node)
        if first == node.end_byte:
            continue
        start, end = max(_line_start(text, first), low), _line_end(text, _text_end(source, node))
        if found and start < found[-1].end:
            found[-1].end = max(found[-1].end, end)
            found[-1].nodes.append(node)
        else:
            found.append(_Lines(start, end, [node]))
    return found


def _text_start(source: Source, node: Node) -> int:
    """The start of a node without the blank lines that some grammars let it begin with."""
    start = node.start_byte
    while start < node.end_byte and source.text[start : start + 1].isspace():
        start += 1
    return start


def _text_end(source: Source, node: Node) -> int:
    """The end of a node without the blank lines that some grammars let it end with."""
    end = node.end_byte
    while end > node.start_byte and source.text[end - 1 : end].isspace():
        end -= 1
    return end


class _Row:
    """Pieces of one container while they are collected; comments wait for the entity that they precede."""

    def __init__(self, source: Source, low: int, high: int) -> None:
        self.source = source
        self.pieces: list[Piece] = []
        self.at = low
        self.high = high
        self.waiting: Span | None = None

    def wait(self, lines: _Lines) -> None:
        if self.waiting is not None and self.waiting.end == lines.start:
            self.waiting = replace(self.waiting, end=lines.end)
            return
        self.flush()
        self.waiting = Span(self.source, lines.start, lines.end)
        if lines.start == 0 and self.source.text.startswith(b"#!"):
            self.flush()  # it says what runs the file: that is about the file, not about what comes next

    def add(self, lines: _Lines) -> None:
        start = lines.start
        if self.waiting is not None and self.waiting.end == lines.start:
            start, self.waiting = self.waiting.start, None
        self.flush()
        self.gap(start)
        comments = self.source.language.comments
        nodes = [node for node in lines.nodes if node.type not in comments]
        span = Span(self.source, start, lines.end)
        self.put(_piece(span, nodes[0]) if len(nodes) == 1 else _plain(span))

    def flush(self) -> None:
        """Comments that no entity followed directly stand for themselves."""
        if self.waiting is not None:
            span, self.waiting = self.waiting, None
            self.gap(span.start)
            self.put(_plain(span))

    def gap(self, until: int) -> None:
        """Text that no node covers is a plain piece; blank lines are left for the next piece's lead."""
        text = self.source.text[self.at : until]
        if text.strip():
            blank = len(text) - len(text.lstrip())
            start = _line_start(self.source.text, self.at + blank)
            end = _line_end(self.source.text, self.at + len(text.rstrip()))
            self.put(_plain(Span(self.source, max(start, self.at), min(end, until))))

    def put(self, piece: Piece) -> None:
        self.pieces.append(replace(piece, lead=self.source.text[self.at : piece.span.start]))
        self.at = piece.span.end


def _plain(span: Span, lead: bytes = b"") -> Piece:
    return Piece(("", span.text.rstrip(), b""), Role.PLAIN, span, lead)


def _piece(span: Span, node: Node) -> Piece:
    language = span.source.language
    if node.type in language.imports and (
        not language.import_when or find(node, language.import_when) is not None
    ):
        return _import(span, node)
    inner: Node | None = node
    while inner is not None:
        for rule in language.entities:
            if rule.node == inner.type and (key := _key(inner, rule)) is not None:
                return Piece(key, Role.ENTITY, span, ordered=rule.ordered, node=inner, rule=rule)
        inner = _wrapped(inner, language)
    return replace(_plain(span), label=node.type in language.labels)


def _wrapped(node: Node, language: Language) -> Node | None:
    """The node inside a wrapper that has a rule of its own."""
    if node.type not in language.wrappers:
        return None
    known = {rule.node for rule in language.entities} | set(language.wrappers)
    return next((child for child in node.named_children if child.type in known), None)


def _key(node: Node, rule: EntityRule) -> Key | None:
    if rule.when and any(find(node, path) is None for path in rule.when.split("&")):
        return None
    if not rule.name:
        return rule.kind, b"", b""
    name = find(node, rule.name)
    return (rule.kind, name.text or b"", b"") if name is not None else None


def _import(span: Span, node: Node) -> Piece:
    """An import is known by what it imports from; a block of imports by being one."""
    language = span.source.language
    if _container_of(node, language.import_containers) is not None:
        return Piece(("imports", b"", b""), Role.IMPORT, span, node=node)
    source = find(node, language.import_source) if language.import_source else None
    words = b" ".join((node.text or b"").split())
    key = ("import", words if source is None else (source.text or b""), b"")
    return Piece(key, Role.IMPORT, span, ordered=False, node=node)


def identify(*rows: Sequence[Piece]) -> tuple[tuple[Piece, ...], ...]:
    """Give the pieces of several versions of one container keys that mean the same in all of them.

    A name that stands exactly once in every version is itself, whatever became of its signature; any other
    gets its signature everywhere. What still shares a key is counted from the top of its version, or is plain
    text in all of them where its rule wants no counting.
    """
    counts = [_counts(row) for row in rows]
    settled = {key for key in counts[0] if all(count[key] == 1 for count in counts)}
    signed = [
        [p if p.role is Role.PLAIN or p.key in settled else replace(p, key=signed_key(p)) for p in row]
        for row in rows
    ]
    again = {key for row in signed for key, count in _counts(row).items() if count > 1}
    return tuple(tuple(_numbered(row, again)) for row in signed)


def _counts(row: Iterable[Piece]) -> Counter[Key]:
    return Counter(piece.key for piece in row if piece.role is not Role.PLAIN)


def _numbered(row: Sequence[Piece], again: AbstractSet[Key]) -> Iterator[Piece]:
    """The pieces, those told by their number where their key is one of `again`."""
    seen: Counter[Key] = Counter()
    for piece in row:
        if piece.role is Role.PLAIN or piece.key not in again:
            yield piece
            continue
        if piece.rule is not None and not piece.rule.counted:
            yield _plain(piece.span, piece.lead)
            continue
        seen[piece.key] += 1
        number = seen[piece.key]
        yield (
            replace(piece, key=(*piece.key[:2], b"%s #%d" % (piece.key[2], number))) if number > 1 else piece
        )


def signed_key(piece: Piece) -> Key:
    return (*piece.key[:2], _signature(piece))


def _signature(piece: Piece) -> bytes:
    """What tells an overload from its namesakes; for an import the names that it imports."""
    if piece.node is None:
        return b""
    if piece.role is Role.IMPORT:
        return b" ".join((piece.node.text or b"").split())
    found = [find(piece.node, path) for path in (piece.rule.signature if piece.rule else ())]
    return b" ".join(b"".join((node.text or b"").split()) for node in found if node is not None)


def _line_start(text: bytes, at: int) -> int:
    return text.rfind(b"\n", 0, at) + 1


def _line_end(text: bytes, at: int) -> int:
    """The end of the line that the byte before `at` stands on."""
    if at and text[at - 1 : at] == b"\n":
        return at
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end + 1
