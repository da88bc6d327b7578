"""Every secret in a longer text, and the text without them: as they are, encoded, and cut over lines.

A secret is found in four forms: as it stands on a line, as a block of lines (a private key), in base64 or
percent-encoding, and in a string that is put together from parts. What is found is a place, never kept.
"""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from urllib.parse import unquote

from flowforge.git.secrets import likely, secrets_of

MARK = "[redacted: "  # how every mark begins
_WINDOW = 3600  # characters of a long line that are looked at in one go
_OVERLAP = 600
_KEY = r"(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
_BLOCK = re.compile(  # to its end, or over the lines that are base64
    rf"-----BEGIN {_KEY}(?:.{{0,20000}}?-----END {_KEY}|(?:\r?\n[+ -]?[ \t]*[A-Za-z0-9+/=]{{16,}})*)",
    re.DOTALL,
)
_PUTTY = re.compile(  # to its last line, or over the lines that are fields or base64
    r"PuTTY-User-Key-File-[23]:(?:.{0,20000}?\bPrivate-MAC:[ \t]*[0-9A-Fa-f]*"
    r"|[^\r\n]*(?:\r?\n[+ -]?[ \t]*(?:[A-Z][A-Za-z0-9-]*: [^\r\n]*|[A-Za-z0-9+/=]{16,}))*)",
    re.DOTALL,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}(?:\r?\n[+ -]?[ \t]*[A-Za-z0-9+/_-]{16,}={0,2})*")
_WORD = re.compile(r"[^\s\"'<>]+")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_JOINT = re.compile(  # between two parts of one string: "ab" + "cd", "ab" "cd", "ab\\<line end>cd"
    r"""["'`][ \t]*[+.&\\]?[ \t]*(?:\r?\n[+-]?[ \t]*)?[+.&]?[ \t]*[rbuf]?["'`]|\\\r?\n[+-]?[ \t]*"""
)
_LONGEST_BASE64 = 40_000
_PRINTABLE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A place in a text that holds a secret, and what kind it looks like ("a GitHub token")."""

    start: int
    end: int
    kind: str


def secrets_in(text: str) -> tuple[Hidden, ...]:
    """The secrets of a text in order; places do not overlap."""
    found: list[Hidden] = []
    for search in (_blocks, _on_lines, _encoded, _percent, _joined):
        for one in search(text):
            if all(one.end <= other.start or other.end <= one.start for other in found):
                found.append(one)
    return tuple(sorted(found, key=lambda one: one.start))


@dataclass(kw_only=True)
class Hider:
    """Takes secrets out of texts; the same secret gets the same mark in all that one hider is given."""

    find: Callable[[str], Sequence[Hidden]] = secrets_in
    marks: dict[tuple[str, str], str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        for one in self.find(text):
            parts += [text[at : one.start], self._mark(one.kind, text[one.start : one.end])]
            at = one.end
        return "".join([*parts, text[at:]])

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted({kind for kind, _ in self.marks}))

    def _mark(self, kind: str, secret: str) -> str:
        if (kind, secret) not in self.marks:
            name = kind.removeprefix("an ").removeprefix("a ")
            number = 1 + sum(known == kind for known, _ in self.marks)
            self.marks[kind, secret] = f"{MARK}{name}{f' {number}' if number > 1 else ''}]"
        return self.marks[kind, secret]


def _blocks(text: str) -> Iterator[Hidden]:
    for found in _BLOCK.finditer(text):
        yield Hidden(start=found.start(), end=found.end(), kind="a private key")
    for found in _PUTTY.finditer(text):
        yield Hidden(start=found.start(), end=found.end(), kind="a PuTTY private key")


def _on_lines(text: str) -> Iterator[Hidden]:
    shapes = likely(text)
    at = 0
    for line in text.split("\n") if shapes else ():
        for start in range(0, max(len(line) - _OVERLAP, 1), _WINDOW - _OVERLAP):
            for shape, begin, end in secrets_of(line[start : start + _WINDOW], shapes):
                yield Hidden(start=at + start + begin, end=at + start + end, kind=shape.name)
        at += len(line) + 1


def _encoded(text: str) -> Iterator[Hidden]:
    for found in _BASE64.finditer(text):
        kind = _kind(_decoded(found[0]))
        if kind:
            yield Hidden(start=found.start(), end=found.end(), kind=kind)


def _decoded(run: str) -> str:
    """What base64 says where it says text, "" otherwise."""
    letters = re.sub(r"[^A-Za-z0-9+/_-]", "", re.sub(r"\n[+-]", "\n", run))[:_LONGEST_BASE64]
    usual = letters.replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(usual[: len(usual) // 4 * 4] + _rest(usual))
    except (binascii.Error, ValueError):
        return ""
    said = raw.decode("utf-8", "replace")
    plain = sum(char.isprintable() or char in "\r\n\t" for char in said)
    return said if plain >= _PRINTABLE * len(said) and "\ufffd" not in said else ""


def _rest(usual: str) -> str:
    rest = usual[len(usual) // 4 * 4 :]
    return rest + "=" * (4 - len(rest)) if len(rest) > 1 else ""


def _percent(text: str) -> Iterator[Hidden]:
    for found in _WORD.finditer(text) if "%" in text else ():
        kind = _kind(unquote(found[0])) if _PERCENT.search(found[0]) else ""
        if kind:
            yield Hidden(start=found.start(), end=found.end(), kind=kind)


def _kind(said: str) -> str:
    if not said:
        return ""
    if _BLOCK.search(said):
        return "a private key"
    return next((one.kind for one in _on_lines(said)), "")


def _joined(text: str) -> Iterator[Hidden]:
    """Secrets in strings that are put together from parts; the place is from the first part to the last."""
    joints = [found.span() for found in _JOINT.finditer(text)]
    if not joints:
        return
    edges = [0, *(edge for span in joints for edge in span), len(text)]
    whole = "".join(text[edges[n] : edges[n + 1]] for n in range(0, len(edges), 2))
    gone = list(accumulate(end - begin for begin, end in joints))
    starts = [begin - before for (begin, _), before in zip(joints, [0, *gone], strict=False)]
    for one in _on_lines(whole):
        first, last = bisect_right(starts, one.start), bisect_right(starts, one.end - 1)
        if first != last:
            yield Hidden(
                start=one.start + (gone[first - 1] if first else 0),
                end=one.end + gone[last - 1],
                kind=one.kind,
            )
