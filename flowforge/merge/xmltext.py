"""XML as blocks: elements by name and by what identifies them; text and other elements keep their order.

The parser is expat, which names the bytes where each thing begins. A document that declares entities is not read
at all, so nothing is ever expanded or fetched.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from xml.parsers import expat

from flowforge.merge.doubt import Doubt
from flowforge.merge.facts import Facts
from flowforge.merge.keyed import DOCUMENT, Block, Entry

_TAG = re.compile(rb"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""")
_ATTRIBUTES = ("id", "name", "key", "Include", "Update", "Remove")  # the last three are MSBuild's
_GROUPS = frozenset({"ItemGroup", "PropertyGroup"})  # of MSBuild: known by what they are about
_COORDINATES = ("groupId", "artifactId", "classifier", "type")
_ANY_ORDER = {
    "pom.xml"
}  # names of files in which the place of an element has no meaning, but for repeated ones
_DEEPEST = 200


@dataclass(kw_only=True)
class _Element:
    tag: str
    attributes: Mapping[str, str]
    start: int
    inner: int  # behind the start tag
    stop: int = 0  # where the end tag begins
    end: int = 0
    children: list["_Element"] = field(default_factory=list)
    notes: list[tuple[int, int]] = field(default_factory=list)  # comments
    said: list[str] = field(default_factory=list)  # its own text

    @property
    def text(self) -> str:
        return "".join(self.said).strip()

    def identity(self) -> tuple[str, ...]:
        """The tag and what identifies the element; the tag alone where nothing does."""
        if self.tag in _GROUPS:
            about = [child.tag for child in self.children[: self.tag == "ItemGroup"]]
            return (self.tag, self.attributes.get("Condition", ""), *about)
        for name in _ATTRIBUTES:
            if name in self.attributes:
                return (self.tag, name, self.attributes[name])
        texts = {child.tag: child.text for child in self.children if not child.children}
        if "artifactId" in texts:
            return (self.tag, *(texts.get(word, "") for word in _COORDINATES))
        return (self.tag, "id", texts["id"]) if "id" in texts else (self.tag,)


class _Reader:
    """Builds the elements of one text."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.root: _Element | None = None
        self._open: list[_Element] = []
        self._parser = parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.CommentHandler = self._note
        parser.EntityDeclHandler = self._refuse
        parser.SkippedEntityHandler = self._refuse
        parser.ProcessingInstructionHandler = self._instruction
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def read(self) -> _Element:
        try:
            self._parser.Parse(self.text, True)
        except expat.ExpatError as error:
            raise Doubt("does_not_parse", "a version of this document does not parse") from error
        if self.root is None:
            raise Doubt("does_not_parse", "a version of this document is empty")
        return self.root

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        at = self._parser.CurrentByteIndex
        found = _TAG.match(self.text, at)
        if found is None or len(self._open) > _DEEPEST:
            raise Doubt("layout", "a version of this document is too deep, or not in UTF-8")
        element = _Element(tag=tag, attributes=attributes, start=at, inner=found.end())
        if self._open:
            self._open[-1].children.append(element)
        self.root = self.root or element
        self._open.append(element)

    def _end(self, tag: str) -> None:  # noqa: ARG002 (expat's shape)
        element = self._open.pop()
        if self.text[element.inner - 2 : element.inner] == b"/>":
            element.stop = element.end = element.inner
            return
        element.stop = self._parser.CurrentByteIndex
        element.end = self.text.index(b">", element.stop) + 1

    def _data(self, data: str) -> None:
        self._open[-1].said.append(data)

    def _note(self, data: str) -> None:  # noqa: ARG002 (expat's shape)
        at = self._parser.CurrentByteIndex
        if self._open:
            self._open[-1].notes.append((at, self.text.index(b"-->", at) + 3))

    def _instruction(self, target: str, data: str) -> None:  # noqa: ARG002 (expat's shape)
        if self._open:
            raise Doubt("layout", "the document holds an instruction for a processor")

    def _refuse(self, *_declared: object) -> None:
        raise Doubt("entities", "the document declares or uses entities of its own")


def _elements(text: bytes) -> _Element:
    if b"encoding" in text[:200] and not re.match(
        rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*encoding=["']utf-8["']""", text, re.IGNORECASE
    ):
        raise Doubt("layout", "the document is not in UTF-8")
    return _Reader(text).read()


def read_document(text: bytes, facts: Facts) -> Block:
    """An XML document: one entry that holds its root.

    Raises:
        Doubt: `does_not_parse`, `entities`, `layout`.
    """
    root = _elements(text)
    free = PurePosixPath(facts.path).name in _ANY_ORDER
    entry = Entry(
        key=DOCUMENT,
        name="the document",
        lead=text[: root.start],
        head=text[root.start : root.inner],
        value=text[root.inner : root.stop],
        tail=text[root.stop : root.end],
        span=(0, root.end),
        inside=lambda: _block(text, root, free=free),
    )
    return Block(entries=(entry,), span=(0, len(text)), close=text[root.end :])


def _opener(text: bytes, element: _Element, *, free: bool) -> Callable[[], Block | None]:
    return lambda: _block(text, element, free=free)


def _block(text: bytes, element: _Element, *, free: bool) -> Block | None:
    if not element.children or element.text:
        return None
    identities = [child.identity() for child in element.children]
    keyed = len(set(identities)) == len(identities)
    entries: list[Entry] = []
    at = element.inner
    notes = dict(element.notes)
    for child, identity in zip(element.children, identities, strict=True):
        end = _note_behind(text, child.end, notes)
        entries.append(
            Entry(
                key=identity if keyed else tuple(text[child.start : child.end].split()),
                name=" ".join(f"<{word}>" if place == 0 else word for place, word in enumerate(identity)),
                lead=text[at : child.start],
                head=text[child.start : child.inner],
                value=text[child.inner : child.stop],
                tail=text[child.stop : child.end],
                after=text[child.end : end],
                span=(at, end),
                inside=_opener(text, child, free=free),
                placed=not free and len(identity) == 1,
            )
        )
        at = end
    return Block(
        entries=tuple(entries), span=(element.inner, element.stop), close=text[at : element.stop], keyed=keyed
    )


def _note_behind(text: bytes, end: int, notes: Mapping[int, int]) -> int:
    """Behind a comment that stands on the same line as what it belongs to."""
    spaces = len(text[end : end + 80]) - len(text[end : end + 80].lstrip(b" \t"))
    return notes.get(end + spaces, end)


def data_of_xml(text: bytes, facts: Facts) -> object:  # noqa: ARG001 (the readers' shape)
    """Attributes, text and children of each element.

    Raises:
        ValueError: it is no XML.
    """
    root = _elements(text)
    return {(root.tag,): _data_of(root)}


def _data_of(element: _Element) -> Mapping[object, object]:
    inner: Sequence[_Element] = element.children
    identities = [child.identity() for child in inner]
    data: dict[object, object] = {"@": dict(element.attributes), "#": element.text}
    if element.text and inner:
        data["<>"] = [element.said, [_data_of(child) for child in inner]]
    elif len(set(identities)) == len(identities):
        data |= {identity: _data_of(child) for identity, child in zip(identities, inner, strict=True)}
    else:
        data["[]"] = [(child.tag, _data_of(child)) for child in inner]
    return data
