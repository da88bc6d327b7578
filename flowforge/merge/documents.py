"""The document rung: merge objects by key, keeping the formatting. JSON for now.

Upstream's text is the ground: members that only the commit added, changed or removed are put in, replaced or
taken out of it, with the commas that belong. A key that both sides gave different values is a doubt.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Abstain, Candidate, Conflict, HunkAnswer
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.doubt import Doubt
from flowforge.merge.sides import hunk_texts, versions
from flowforge.merge.syntax import Node, Source, find

RUNG = "document"
_MAX_DEPTH = 100


def resolve(
    conflict: Conflict, context: ResolveContext, *, clock: Callable[[], float] = time.monotonic
) -> Candidate | Abstain:
    """Answer all hunks of one document by merging its objects by key."""
    language = context.language
    if language is None or not language.grammar or not language.commutative:
        return Abstain(why="no_language", sentence="no grammar with keyed objects is known for this file")
    end = clock() + context.deadline
    try:
        sides = versions(conflict, language)
        result = _Merge(sides.sources, lambda: clock() > end).document()
        texts = hunk_texts(conflict.segments, result, one_way=False)
        _check(result, [source.text for source in sides.sources[1:]])
    except Doubt as doubt:
        return doubt.abstain()
    return Candidate(
        answers=tuple(
            HunkAnswer(
                index=hunk.index,
                text=text,
                rung=RUNG,
                rule="keys",
                why="the sides changed different keys; both changes are kept",
            )
            for hunk, text in zip(conflict.hunks, texts, strict=True)
        )
    )


def _check(result: bytes, sides: Sequence[bytes]) -> None:
    """What real JSON was must stay real JSON, without a doubled key."""
    if all(_reads(side) for side in sides) and not _reads(result):
        raise Doubt("does_not_parse", "the merged document would not be read by a JSON parser")


def _reads(text: bytes) -> bool:
    try:
        json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return False
    return True


def _unique(pairs: Sequence[tuple[str, object]]) -> Mapping[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of an object: the whitespace before it, its text, and where its value lies in that text."""

    lead: bytes
    text: bytes
    value: Node
    at: int  # offset of the value in `text`
    source: Source

    @property
    def value_text(self) -> bytes:
        return _text(self.source, self.value)

    def with_value(self, value: bytes) -> bytes:
        return self.text[: self.at] + value + self.text[self.at + len(self.value_text) :]


_Members = dict[bytes, _Member]


@dataclass(frozen=True)
class _Merge:
    sources: tuple[Source, Source, Source]
    late: Callable[[], bool]

    def document(self) -> bytes:
        base, upstream, commit = (_value(source.root) for source in self.sources)
        if upstream is None or commit is None:
            raise Doubt("not_an_object", "a version of this document is empty")
        source = self.sources[1]
        merged = self._value(base, upstream, commit, "the document", 0)
        return source.text[: upstream.start_byte] + merged + source.text[upstream.end_byte :]

    def _value(self, base: Node | None, upstream: Node, commit: Node, name: str, depth: int) -> bytes:
        if self.late() or depth > _MAX_DEPTH:
            raise Doubt("out_of_time", "the document is too large or too deep for its time limit")
        old = _text(self.sources[0], base) if base is not None else None
        one, two = _text(self.sources[1], upstream), _text(self.sources[2], commit)
        if one in {two, old} or two == old:
            changed = two if one in {two, old} else one
            _check_forward(old, changed, name)
            return changed
        kinds = self.sources[0].language.commutative
        if (
            upstream.type not in kinds
            or commit.type not in kinds
            or (base is not None and base.type not in kinds)
        ):
            raise Doubt("same_key", f"both sides gave {name} a value of their own")
        if base is None and depth:
            raise Doubt("same_key", f"both sides added {name}, differently")
        return self._object(base, upstream, commit, depth)

    def _object(self, base: Node | None, upstream: Node, commit: Node, depth: int) -> bytes:
        old = _members(self.sources[0], base) if base is not None else {}
        one, two = _members(self.sources[1], upstream), _members(self.sources[2], commit)
        _check_removed(old, one, two, "upstream", "the commit")
        _check_removed(old, two, one, "the commit", "upstream")
        texts: dict[bytes, bytes] = {}
        for key, member in one.items():
            theirs, before = two.get(key), old.get(key)
            if theirs is None and before is not None:
                continue  # the commit removed it, and upstream left it alone
            text = member.text
            if theirs is not None:
                value = before.value if before is not None else None
                name = key.decode("utf-8", "replace")
                text = member.with_value(self._value(value, member.value, theirs.value, name, depth + 1))
            texts[key] = text
        order = _with_added(
            list(texts), [k for k in two if k not in old and k not in one], list(two), set(old)
        )
        leads = {key: (one.get(key) or two[key]).lead for key in order}
        texts |= {key: two[key].text for key in order if key not in texts}
        return _printed(_text(self.sources[1], upstream), one, [(leads[k], texts[k]) for k in order])


def _check_forward(old: bytes | None, new: bytes, name: str) -> None:
    """A version that went back is a decision of its time, seldom one of the merge's: people undid it."""
    if old is None or not (_VERSION.fullmatch(old) and _VERSION.fullmatch(new)):
        return
    before, after = ([int(number) for number in _NUMBER.findall(text)] for text in (old, new))
    if after < before:
        raise Doubt("went_back", f"one side put {name} back to an earlier version")


_VERSION = re.compile(rb'"[~^]?v?\d+(?:\.\d+)+[^\s"]*"')
_NUMBER = re.compile(rb"\d+")


def _check_removed(old: _Members, remover: _Members, keeper: _Members, who: str, other: str) -> None:
    for key, member in old.items():
        kept = keeper.get(key)
        if key not in remover and kept is not None and kept.value_text != member.value_text:
            name = key.decode("utf-8", "replace")
            raise Doubt("deleted_and_changed", f"{who} removed {name}, which {other} changed")


def _with_added(
    kept: list[bytes], added: Sequence[bytes], commit: Sequence[bytes], old: set[bytes]
) -> list[bytes]:
    """Where the commit's new keys stand: in order where keys are sorted, else after the key they followed."""
    order = list(kept)
    in_order = len(kept) > 1 and kept == sorted(kept) and list(commit) == sorted(commit)
    for key in added:
        if in_order:
            at = next((i for i, other in enumerate(order) if other > key), len(order))
        else:
            place = commit.index(key)
            at = (
                order.index(commit[place - 1]) + 1
                if place and commit[place - 1] in order
                else 0
                if not place
                else len(order)
            )
            while at < len(order) and order[at] not in old and order[at] not in added:
                at += 1  # upstream's additions at the same place come first
        order.insert(at, key)
    return order


def _printed(upstream: bytes, members: _Members, parts: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The object's text: brackets and trailing whitespace as upstream has them."""
    if not members:
        raise Doubt("layout", "upstream's object is empty, so its layout is not known")
    if not parts:
        return upstream[:1] + upstream[-1:]
    inside = upstream[1:-1]
    tail = inside[len(inside.rstrip()) :]
    first, *others = (member.lead for member in members.values())
    if all(b"\n" not in lead for lead, _ in parts):
        gap = others[0] if others else b" "
        texts = [text for _, text in parts]
        return upstream[:1] + first + (b"," + gap).join(texts) + tail + upstream[-1:]
    if any(b"\n" not in lead for lead, _ in parts) or len({_indent(lead) for lead, _ in parts}) > 1:
        raise Doubt("layout", "the sides lay the same object out differently")
    return upstream[:1] + b",".join(lead + text for lead, text in parts) + tail + upstream[-1:]


def _indent(lead: bytes) -> bytes:
    return lead.rpartition(b"\n")[2]


def _members(source: Source, node: Node) -> _Members:
    """Members by key.

    Raises:
        Doubt: a key stands twice, or there is something between the members that is no comma.
    """
    found: _Members = {}
    at = node.children[0].end_byte
    for child in node.named_children:
        key, value = find(child, "key"), find(child, "value")
        lead = source.text[at : child.start_byte].lstrip(b",")
        if key is None or value is None or lead.strip():
            raise Doubt("layout", "an object holds something other than members, such as a comment")
        name = _text(source, key)
        if name in found:
            raise Doubt("duplicate", f"the key {name.decode('utf-8', 'replace')} stands twice")
        found[name] = _Member(lead, _text(source, child), value, value.start_byte - child.start_byte, source)
        at = child.end_byte
    if source.text[at : node.end_byte - 1].strip():
        raise Doubt("layout", "an object ends with something other than a member")
    return found


def _value(root: Node) -> Node | None:
    values = [child for child in root.named_children if not child.is_extra]
    if len(values) > 1:
        raise Doubt("not_an_object", "the document holds more than one value")
    return values[0] if values else None


def _text(source: Source, node: Node) -> bytes:
    return source.text[node.start_byte : node.end_byte]
