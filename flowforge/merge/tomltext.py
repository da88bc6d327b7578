"""TOML as blocks: tables by their names, pairs by their keys, and arrays item by item.

A table is everything from its header to the next one, so a table inside another is a neighbour of it here, under
its whole name. Tables in an array are told apart by what their first pair says, and keep their order.
"""

import tomllib

from flowforge.merge.data import IDENTITIES
from flowforge.merge.doubt import Doubt
from flowforge.merge.facts import Facts
from flowforge.merge.keyed import Block, Cut, line_end, line_start, lines_block
from flowforge.merge.separated import Member, bracketed, text_of
from flowforge.merge.syntax import Node, parse

_KEYS = frozenset({"bare_key", "quoted_key", "dotted_key"})
_TABLES = frozenset({"table", "table_array_element"})


def read_document(text: bytes, facts: Facts) -> Block:
    """A TOML document.

    Raises:
        Doubt: `does_not_parse`.
    """
    source = parse(text, facts.language)
    if source.has_error:
        raise Doubt("does_not_parse", "a version of this document does not parse")
    cuts: list[Cut] = []
    names: dict[str, str] = {}  # tables in arrays: name -> which of them the tables inside belong to
    for node in source.root.named_children:
        if node.type == "pair":
            cuts.append(_pair(text, node, (), facts))
        elif node.type in _TABLES:
            cuts.append(_table(text, node, names, facts))
    return lines_block(text, (0, len(text)), cuts)


def _table(text: bytes, node: Node, names: dict[str, str], facts: Facts) -> Cut:
    path = _path(text, _key(node))
    name = ".".join(path)
    pairs = [child for child in node.named_children if child.type == "pair"]
    header = line_end(text, _key(node).end_byte)
    end = line_end(text, pairs[-1].end_byte) if pairs else header
    array = node.type == "table_array_element"
    if array:
        names[name] = _first(text, pairs)
    owners = tuple(names.get(".".join(path[:size]), "") for size in range(1, len(path) + 1))
    prefix = () if any(owners) else path

    def inside() -> Block | None:
        cuts = [_pair(text, pair, prefix, facts) for pair in pairs]
        return lines_block(text, (header, end), cuts)

    return Cut(
        key=("[[" if array else "[", name, owners),
        name=f"[{name}]",
        start=line_start(text, node.start_byte),
        value=(header, end),
        end=end,
        inside=inside,
        placed=array,
    )


def _first(text: bytes, pairs: list[Node]) -> str:
    """What tells one table of an array from the others: an id or name that it has, else its first pair."""
    known = {text_of(text, _key(pair)): text_of(text, pair.named_children[1]) for pair in pairs}
    word = next((word for word in IDENTITIES if word in known), next(iter(known), ""))
    return f"{word}={known.get(word, '')}"


def _pair(text: bytes, node: Node, path: tuple[str, ...], facts: Facts) -> Cut:
    key = _path(text, _key(node))
    value = node.named_children[1]
    return Cut(
        key=key,
        name=".".join(key),
        start=line_start(text, node.start_byte),
        value=(value.start_byte, value.end_byte),
        end=line_end(text, value.end_byte),
        inside=lambda: _array(text, value, (*path, *key), facts) if value.type == "array" else None,
    )


def _array(text: bytes, node: Node, path: tuple[str, ...], facts: Facts) -> Block:
    key = facts.item_key(path)

    def member(item: Node) -> Member:
        said = text_of(text, item)
        strung = key is not None and item.type == "string"
        return Member(
            key=key(said.strip("\"'")) if key is not None and strung else " ".join(said.split()),
            name=said if strung else "an item",
            value=item,
            inside=None,
        )

    return bracketed(text, node, member, keyed=key is not None)


def _key(node: Node) -> Node:
    return next(child for child in node.named_children if child.type in _KEYS)


def _path(text: bytes, key: Node) -> tuple[str, ...]:
    if key.type != "dotted_key":
        said = text_of(text, key)
        return (said[1:-1] if key.type == "quoted_key" else said,)
    return tuple(part for child in key.named_children for part in _path(text, child))


def data_of_toml(text: bytes, facts: Facts) -> object:  # noqa: ARG001 (the readers' shape)
    """What the document says.

    Raises:
        ValueError: it is no TOML.
    """
    return tomllib.loads(text.decode())
