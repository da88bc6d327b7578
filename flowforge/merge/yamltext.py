"""YAML as blocks: mappings by key, sequences item by item, documents of one file by their number.

Only block style is opened; a flow value, a scalar in any style and an alias stand or fall whole. Where a comment
belongs is told by its indentation, as a person reads it. The parser is YAML's own: it is slow, so that large
documents are left to a person, but hostile ones do it no harm.
"""

import warnings
from collections.abc import Callable, Hashable, Sequence

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from flowforge.merge.data import IDENTITIES
from flowforge.merge.doubt import Doubt
from flowforge.merge.facts import Facts
from flowforge.merge.keyed import DOCUMENT, Block, Cut, line_end, line_start, lines_block

MAX_BYTES = 40_000  # of one version: the parser takes about half a second for as much
MAX_NODES = 100_000  # with aliases written out
_DEEPEST = 100


def read_document(text: bytes, facts: Facts) -> Block:  # noqa: ARG001 (the readers' shape)
    """A YAML file: one entry for each of its documents.

    Raises:
        Doubt: `does_not_parse`, `too_large`, `layout`.
    """
    if len(text) > MAX_BYTES:
        raise Doubt("too_large", f"a version of this document is larger than {MAX_BYTES} bytes")
    cuts: list[Cut] = []
    for number, node in enumerate(_composed(text)):
        if _written_out(node, {}, 0) > MAX_NODES:
            raise Doubt("too_large", "a version of this document is too large with its aliases written out")
        start = line_start(text, node.start_mark.index)
        end = line_end(text, _end(text, node))
        cuts.append(
            Cut(
                key=(DOCUMENT, number) if number else DOCUMENT,
                name="the document",
                start=start,
                value=(start, end),
                end=end,
                inside=_opener(text, node, (start, end)),
                placed=True,
            )
        )
    return lines_block(text, (0, len(text)), cuts)


def _composed(text: bytes) -> Sequence[Node]:
    """The documents' nodes; their marks count bytes, as every byte is read as one character."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an anchor that stands twice, among others
            return [
                node for node in YAML(typ="safe", pure=True).compose_all(_narrow(text)) if node is not None
            ]
    except (Warning, YAMLError, RecursionError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise Doubt("does_not_parse", "a version of this document does not parse") from error


def _narrow(text: bytes) -> str:
    """The text with a letter in place of every byte that is not ASCII, so that offsets stay."""
    return "".join(chr(byte) if byte < 128 else "x" for byte in text)  # noqa: PLR2004 (ASCII)


def _written_out(node: Node, known: dict[int, int], depth: int) -> int:
    """How many nodes it would be without aliases; one that holds itself counts as too many."""
    if depth > _DEEPEST:
        return MAX_NODES + 1
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1
        known[id(node)] = 1 + sum(_written_out(inner, known, depth + 1) for inner in _children(node))
    return known[id(node)]


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [inner for pair in node.value for inner in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _is_block(node: Node) -> bool:
    return isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style and bool(node.value)


def _opener(text: bytes, node: Node, span: tuple[int, int]) -> Callable[[], Block] | None:
    return (lambda: _block(text, node, span)) if _is_block(node) else None


def _block(text: bytes, node: Node, span: tuple[int, int]) -> Block:
    if isinstance(node, MappingNode):
        cuts = [_pair(text, pair, first=not place) for place, pair in enumerate(node.value)]
        return lines_block(text, span, cuts)
    cuts = []
    at = span[0]
    for item in node.value:
        cuts.append(_item(text, item, at, first=not cuts))
        at = cuts[-1].end
    return lines_block(text, span, cuts, keyed=False)


def _pair(text: bytes, pair: tuple[Node, Node], *, first: bool) -> Cut:
    key, value = pair
    start, colon = key.start_mark.index, text.find(b":", key.end_mark.index)
    if not isinstance(key, ScalarNode) or text[start : start + 1] in {b"?", b"*", b"&", b"!"} or colon < 0:
        raise Doubt("layout", "a mapping has a key that is no plain one")
    return _cut(text, start, colon + 1, value, str(key.value), first=first)


def _item(text: bytes, value: Node, below: int, *, first: bool) -> Cut:
    start = text.find(b"-", below)
    while start >= 0 and text[line_start(text, start) : start].lstrip().startswith(b"#"):
        start = text.find(b"-", line_end(text, start + 1))
    if start < 0:
        raise Doubt("layout", "an item of a list cannot be found")
    return _cut(text, start, start + 1, value, _identity(text, value), first=first)


def _cut(text: bytes, start: int, mark: int, value: Node, key: Hashable, *, first: bool) -> Cut:
    """An entry that begins at `start`, whose value follows `mark` (behind a colon or a dash)."""
    whole = line_start(text, start)
    inline = bool(text[whole:start].strip())
    if inline and not first:
        raise Doubt("layout", "two entries stand on one line")
    rest = line_end(text, mark)
    alias = value.start_mark.index < mark
    at = mark + len(text[mark:rest]) - len(text[mark:rest].lstrip(b" \t"))
    bare = text[at:rest].split(b" #")[0].rstrip() if text[at : at + 1] != b"#" else b""
    block = _is_block(value) and not alias
    if block and value.start_mark.index >= rest:
        at = rest
    empty = not block and not text[at:rest].strip()
    stop = at + len(bare) if alias or empty else max(at, _end(text, value))
    end = _with_comments(text, line_end(text, stop), start - whole)
    stop = end if block else stop
    return Cut(
        key=key,
        name=key if isinstance(key, str) else "an item",
        start=start if inline else whole,
        value=(at, stop),
        end=end,
        inside=_opener(text, value, (at, stop)) if block else None,
    )


def _end(text: bytes, node: Node) -> int:
    """Behind the last byte of a value that says something."""
    inner = _children(node)
    if _is_block(node) and inner[-1].start_mark.index >= node.start_mark.index:
        before = inner[-2].end_mark.index if len(inner) > 1 else node.start_mark.index
        known = _end(text, inner[-1])
        return known if known > before or not _is_block(inner[-1]) else int(node.end_mark.index)
    start = int(node.start_mark.index)
    if _is_block(node):  # its last value is an alias, which stands elsewhere
        said = text[start : node.end_mark.index].rstrip()
        while said and said[line_start(said, len(said) - 1) :].lstrip().startswith(b"#"):
            said = said[: line_start(said, len(said) - 1)].rstrip()
        return start + len(said)
    return start + len(text[start : node.end_mark.index].rstrip())


def _with_comments(text: bytes, end: int, column: int) -> int:
    """The entry's end, with comments below it that are indented deeper than its beginning."""
    at = last = end
    while at < len(text):
        stop = line_end(text, at + 1) if text[at : at + 1] != b"\n" else at + 1
        line = text[at:stop]
        bare = line.strip()
        if bare and not (bare.startswith(b"#") and len(line) - len(line.lstrip()) > column):
            break
        last = stop if bare else last
        at = stop
    return last


def _identity(text: bytes, value: Node) -> Hashable:
    """An id or name that an item has, else all its words."""
    if isinstance(value, MappingNode):
        said = {key.value: it.value for key, it in value.value if isinstance(it, ScalarNode)}
        word = next((word for word in IDENTITIES if word in said), "")
        if word:
            return (word, said[word])
    return tuple(text[value.start_mark.index : _end(text, value)].split())


def data_of_yaml(text: bytes, facts: Facts) -> object:  # noqa: ARG001 (the readers' shape)
    """What the documents of a file say.

    Raises:
        ValueError: it is no YAML, or a key stands twice.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return dict(enumerate(YAML(typ="safe", pure=True).load_all(text.decode())))
    except (Warning, YAMLError, RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
