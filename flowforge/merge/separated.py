"""Blocks in brackets, with a separator between entries: objects and arrays of JSON, arrays of TOML."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from flowforge.merge.data import IDENTITIES, read_json
from flowforge.merge.doubt import Doubt
from flowforge.merge.facts import Facts
from flowforge.merge.keyed import DOCUMENT, Block, Entry
from flowforge.merge.syntax import Node, find, parse

_COMMENT = "comment"


@dataclass(frozen=True, kw_only=True)
class Member:
    """What a format knows of one node between the brackets."""

    key: Hashable
    name: str
    value: Node
    inside: Callable[[], Block | None] | None


def bracketed(text: bytes, node: Node, member: Callable[[Node], Member], *, keyed: bool) -> Block:
    """Cut a node that begins and ends with a bracket.

    Raises:
        Doubt: `layout`, where a comment stands between an entry and its comma.
    """
    entries: list[Entry] = []
    inner = node.children[1:-1]
    at, comma = node.children[0].end_byte, True
    for place, child in enumerate(inner):
        if child.type in {_COMMENT, ","}:
            continue
        known = member(child)
        following = inner[place + 1 : place + 4]
        comma = bool(following) and following[0].type == ","
        if following and following[0].type == _COMMENT and any(n.type == "," for n in following):
            raise Doubt("layout", "a comment stands before a comma")
        behind = following[0].end_byte if comma else child.end_byte
        note = following[comma] if len(following) > comma else None
        end = behind
        if note is not None and note.type == _COMMENT and b"\n" not in text[behind : note.start_byte]:
            end = note.end_byte
        entries.append(
            Entry(
                key=known.key,
                name=known.name,
                lead=text[at : child.start_byte],
                head=text[child.start_byte : known.value.start_byte],
                value=text[known.value.start_byte : known.value.end_byte],
                tail=text[known.value.end_byte : following[0].start_byte if comma else child.end_byte],
                after=text[behind:end],
                span=(at, end),
                inside=known.inside,
            )
        )
        at = end
    return Block(
        entries=tuple(entries),
        span=(node.start_byte, node.end_byte),
        open=text[node.start_byte : node.children[0].end_byte],
        close=text[at : node.end_byte],
        between=b",",
        trailing=bool(entries) and comma,
        keyed=keyed,
    )


def text_of(text: bytes, node: Node) -> str:
    return text[node.start_byte : node.end_byte].decode("utf-8", "replace")


def read_document(text: bytes, facts: Facts) -> Block:
    """A JSON document: one entry that holds its value.

    Raises:
        Doubt: `does_not_parse`, or `not_an_object` for an empty document or more than one value.
    """
    source = parse(text, facts.language)
    if source.has_error:
        raise Doubt("does_not_parse", "a version of this document does not parse")
    values = [child for child in source.root.named_children if child.type != _COMMENT]
    if len(values) > 1:
        raise Doubt("not_an_object", "the document holds more than one value")
    entries = [_whole(text, value) for value in values]
    close = text[values[0].end_byte :] if values else text
    return Block(entries=tuple(entries), span=(0, len(text)), close=close)


def _whole(text: bytes, value: Node) -> Entry:
    return Entry(
        key=DOCUMENT,
        name="the document",
        lead=text[: value.start_byte],
        head=b"",
        value=text[value.start_byte : value.end_byte],
        span=(0, value.end_byte),
        inside=lambda: _inside(text, value),
    )


def _inside(text: bytes, node: Node) -> Block | None:
    if node.type == "object":
        return bracketed(text, node, lambda pair: _pair(text, pair), keyed=True)
    if node.type == "array":
        return bracketed(text, node, lambda item: _item(text, item), keyed=False)
    return None


def _pair(text: bytes, node: Node) -> Member:
    key, value = find(node, "key"), find(node, "value")
    if key is None or value is None:
        raise Doubt("layout", "an object holds something other than members")
    name = text_of(text, key)
    return Member(key=name, name=name, value=value, inside=lambda: _inside(text, value))


def _item(text: bytes, node: Node) -> Member:
    return Member(key=_identity(text, node), name="an item", value=node, inside=lambda: _inside(text, node))


def _identity(text: bytes, node: Node) -> Hashable:
    """An id or name that an object has, else all its words."""
    pairs = [(find(pair, "key"), find(pair, "value")) for pair in node.named_children]
    said = {text_of(text, key): value for key, value in pairs if key is not None and value is not None}
    for word in IDENTITIES:
        value = said.get(f'"{word}"') if node.type == "object" else None
        if value is not None and value.type == "string":
            return (word, text_of(text, value))
    return tuple(text_of(text, node).split())


def data_of_json(text: bytes, facts: Facts) -> object:
    """What the document says; comments are taken out first.

    Raises:
        ValueError: it is no JSON.
    """
    source = parse(text, facts.language)
    kept, at = [], 0
    for node in _comments(source.root) if b"/" in text else ():
        kept.append(text[at : node.start_byte])
        at = node.end_byte
    return read_json(b"".join([*kept, text[at:]])) if text.strip() else {}


def _comments(root: Node) -> list[Node]:
    found: list[Node] = []
    todo = [root]
    while todo:
        node = todo.pop()
        if node.type == _COMMENT:
            found.append(node)
        elif node.type in {"object", "array", "pair", "document"}:
            todo.extend(node.children)
    return sorted(found, key=lambda node: node.start_byte)
