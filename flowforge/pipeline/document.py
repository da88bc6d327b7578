"""Bytes to a tree of plain nodes that know their place. Built from the parser's events, one by one.

Nothing is composed or constructed by the library: so nesting cannot overflow, an alias cannot multiply, a tag cannot
name a class, and reading stops at the first thing that is refused. Scalars follow YAML 1.2's core schema.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from flowforge.pipeline.problems import Mark, Problem, shown

MAX_BYTES = 64 << 10
MAX_DEPTH = 20
MAX_DIGITS = 18

Scalar = str | int | float | bool | None


@dataclass(kw_only=True)
class Node:
    """A scalar (`value`), a list (`items`) or a mapping (`entries`), and where it begins.

    `key_marks` are the places of a mapping's keys.
    """

    mark: Mark
    value: Scalar = None
    items: "list[Node] | None" = None
    entries: "dict[str, Node] | None" = None
    key_marks: dict[str, Mark] = field(default_factory=dict)

    def plain(self) -> object:
        """The same as plain Python values."""
        if self.entries is not None:
            return {key: node.plain() for key, node in self.entries.items()}
        if self.items is not None:
            return [node.plain() for node in self.items]
        return self.value

    def get(self, key: str) -> "Node | None":
        return (self.entries or {}).get(key)

    def text(self, key: str) -> str:
        """The text under `key`, or "" where there is none."""
        node = self.get(key)
        return node.value if node is not None and isinstance(node.value, str) else ""

    def children(self, key: str) -> "list[Node]":
        """The mappings in the list under `key`."""
        node = self.get(key)
        return [item for item in (node.items if node and node.items else []) if item.entries is not None]

    def at(self, key: str) -> Mark:
        """Where `key` stands, or the mapping itself where it is missing."""
        return self.key_marks.get(key, self.mark)


class Unreadable(Exception):
    """The text is refused; the one problem says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read_document(data: bytes, path: str) -> Node:
    """Read one YAML 1.2 document, a mapping.

    Raises:
        Unreadable: the first thing that is wrong; what comes after it cannot be told.
    """
    text = _decode(data, path)
    builder = _Builder(path)
    try:
        for event in YAML(typ="safe", pure=True).parse(io.StringIO(text)):
            builder.take(event)
    except ReaderError as error:
        raise _refuse(_place(text, error.position, path), "FF004", _character(error)) from error
    except YAMLError as error:
        raise _syntax(error, path) from error
    except (ValueError, OverflowError, IndexError) as error:  # the library's own parser meeting odd escapes
        raise _refuse(Mark(path=path), "FF001", "not YAML: an escape that is no character") from error
    if builder.root is None or (
        builder.root.value is None and builder.root.entries is None and not builder.root.items
    ):
        raise _refuse(Mark(path=path), "FF010", "the file holds no definition")
    if builder.root.entries is None:
        raise _refuse(builder.root.mark, "FF014", f"a definition is a mapping, not {kind_of(builder.root)}")
    return builder.root


def kind_of(node: Node) -> str:
    """The node's type in words a person uses."""
    if node.entries is not None:
        return "a mapping"
    if node.items is not None:
        return "a list"
    words = {bool: "true or false", int: "a number", float: "a number", str: "text", type(None): "nothing"}
    return words[type(node.value)]


def _refuse(mark: Mark, code: str, message: str) -> Unreadable:
    return Unreadable(Problem(mark=mark, code=code, message=message))


def _decode(data: bytes, path: str) -> str:
    if len(data) > MAX_BYTES:
        raise _refuse(Mark(path=path), "FF002", f"the file has {len(data)} bytes, {MAX_BYTES} are allowed")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise _refuse(
            Mark(path=path, line=line, column=column), "FF003", f"byte {data[error.start]:#04x} is not UTF-8"
        ) from error


def _place(text: str, position: int, path: str) -> Mark:
    before = text[:position]
    return Mark(path=path, line=before.count("\n") + 1, column=position - before.rfind("\n"))


def _character(error: ReaderError) -> str:
    character = error.character
    number = character if isinstance(character, int) else ord(character[:1])
    return f"character U+{number:04X} is not allowed in YAML"


def _syntax(error: YAMLError, path: str) -> Unreadable:
    if not isinstance(error, MarkedYAMLError):
        return _refuse(Mark(path=path), "FF001", "not YAML")
    found = error.problem_mark or error.context_mark
    mark = Mark(path=path, line=found.line + 1, column=found.column + 1) if found else Mark(path=path)
    said = " ".join(f"{error.context or ''}: {error.problem or ''}".strip(": ").split())[:200]
    return _refuse(mark, "FF001", f"not YAML: {said}")


@dataclass(kw_only=True)
class _Open:
    """A collection whose end has not come; `key` waits for its value."""

    node: Node
    key: str | None = None
    keys: int = 0


class _Builder:
    """Takes events, gives `root`. Keeps its own stack, so depth costs no recursion."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.root: Node | None = None
        self._documents = 0
        self._stack: list[_Open] = []

    def take(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self._document(event)
        elif isinstance(event, AliasEvent):
            raise _refuse(self._mark(event), "FF006", f"alias *{str(event.anchor)[:40]} is refused")
        elif isinstance(event, NodeEvent):
            self._node(event)
        elif isinstance(event, CollectionEndEvent):
            self._stack.pop()

    def _document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _refuse(self._mark(event), "FF011", "a second document begins here; a definition is one")
        if event.tags or (event.version and tuple(event.version) != (1, 2)):
            raise _refuse(self._mark(event), "FF011", "only the directive %YAML 1.2 is allowed")

    def _node(self, event: NodeEvent) -> None:
        mark = self._mark(event)
        if event.anchor is not None:
            raise _refuse(mark, "FF006", f"anchor &{str(event.anchor)[:40]} is refused")
        tag = getattr(event, "ctag", None)  # scalars and collections have one, the class above them does not
        if tag is not None:
            raise _refuse(mark, "FF007", f"tag {shown(str(tag))} is refused")
        if self._awaits_key():
            self._key(event, mark)
            return
        node = _node_of(event, mark)
        self._put(node)
        if not isinstance(event, ScalarEvent):
            self._stack.append(_Open(node=node))
            if len(self._stack) > MAX_DEPTH:
                raise _refuse(mark, "FF005", f"nested more than {MAX_DEPTH} deep")

    def _awaits_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].node.entries is not None and self._stack[-1].key is None

    def _key(self, event: NodeEvent, mark: Mark) -> None:
        if not isinstance(event, ScalarEvent):
            raise _refuse(mark, "FF014", "a key is one word, not a list or mapping")
        key = str(event.value)
        node = self._stack[-1].node
        _check_text(key, mark)
        if key == "<<" and event.style is None:
            raise _refuse(mark, "FF009", "merge keys are refused")
        if key in node.key_marks:
            first = node.key_marks[key]
            raise _refuse(mark, "FF008", f"key {shown(key)} is written twice (first in line {first.line})")
        node.key_marks[key] = mark
        self._stack[-1].key = key

    def _put(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if top.node.items is not None:
            top.node.items.append(node)
        elif top.node.entries is not None and top.key is not None:
            top.node.entries[top.key] = node
            top.key = None

    def _mark(self, event: Event) -> Mark:
        start = event.start_mark
        return Mark(path=self.path, line=start.line + 1, column=start.column + 1)


def _node_of(event: NodeEvent, mark: Mark) -> Node:
    if isinstance(event, SequenceStartEvent):
        return Node(mark=mark, items=[])
    if isinstance(event, MappingStartEvent):
        return Node(mark=mark, entries={})
    if not isinstance(event, ScalarEvent):
        raise TypeError(f"{type(event).__name__} begins no node")
    text = str(event.value)
    _check_text(text, mark)
    return Node(mark=mark, value=_resolve(text, mark) if event.style is None else text)


_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff]")


def _check_text(text: str, mark: Mark) -> None:
    """Refuse what a value may not hold, escaped or not: controls, halves of pairs, turns of the writing direction."""
    bad = _FORBIDDEN.search(text)
    if bad is not None:
        raise _refuse(mark, "FF004", f"a text here holds the character U+{ord(bad[0]):04X}")


_WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGERS = (
    (re.compile(r"[-+]?[0-9]+"), 10),
    (re.compile(r"0o[0-7]+"), 8),
    (re.compile(r"0x[0-9a-fA-F]+"), 16),
)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


def _resolve(text: str, mark: Mark) -> Scalar:
    """A plain scalar's value by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    for pattern, radix in _INTEGERS:
        if pattern.fullmatch(text):
            if len(text) > MAX_DIGITS:
                raise _refuse(mark, "FF015", f"the number {shown(text)} is too long")
            return int(text, radix)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def walk(node: Node) -> Iterator[Node]:
    """The node and everything under it."""
    yield node
    for child in (*(node.items or ()), *(node.entries or {}).values()):
        yield from walk(child)
