"""Cut known secrets out of text, in every form in which they usually leak.

A secret is searched for by exact value: as it is, percent-encoded, escaped as in JSON, and in base64 at any of
the three offsets it can have inside a longer encoded text (`Authorization: Basic` holds `user:password`), also where
that text is wrapped into lines, as `base64` (76 characters), `openssl` (64) and mail do. Long secrets of several lines
(private keys) are also masked line by line. `Stream` does it for output that comes in pieces: it keeps back only what
may be the beginning of a secret.

Every occurrence is hidden, those that overlap with one mask: what is shown never depends on where a piece ended.
"""

import base64
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from urllib.parse import quote, quote_plus

MASK = b"***"
SHORTEST = 4  # bytes; a shorter value would shred every line and hide nothing
_SHORTEST_BASE64 = 8  # characters of base64 that are certain whatever stands around
_SHORTEST_LINE = 16
_NARROWEST = 16  # characters of a line of wrapped base64: bounds what a wrapped form may take
# Only such a line may go on in the next one: the last letter of any other is shown as soon as the line is written.
_BREAK = re.compile(rb"(?<=[A-Za-z0-9+/_-]{%d})[\r\n]+" % _NARROWEST)

Span = tuple[int, int]  # from, to


def forms(secret: str) -> frozenset[bytes]:
    """Every form of a secret that is searched for; empty for one that is too short."""
    return frozenset(form for value in _values(secret) for form in (*_written(value), *_encoded(value)))


def _values(secret: str) -> set[str]:
    lines = [line.strip() for line in secret.splitlines()]
    values = {secret.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)}
    return {value for value in values if len(value.encode()) >= SHORTEST}


def _written(value: str) -> Iterator[bytes]:
    """The forms that stand on one line."""
    yield value.encode()
    for text in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield text.encode()
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text).encode()
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(value, ensure_ascii=False)[1:-1].encode()


def _encoded(value: str) -> Iterator[bytes]:
    """Base64: the characters that do not depend on what stands before (an offset of bytes modulo 3) and after."""
    raw = value.encode()
    for offset in range(3):
        start, end = (offset * 8 + 5) // 6, (offset + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            certain = encode(bytes(offset) + raw)[start:end]
            if len(certain) >= _SHORTEST_BASE64:
                yield certain


class _Words:
    """Forms that are looked for together."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self.sorted = sorted(set(words))  # so that those with one beginning stand together
        by_length = sorted(self.sorted, key=len, reverse=True)
        self.longest = len(by_length[0]) if by_length else 0
        self._first_bytes = frozenset(word[0] for word in by_length)
        self._pattern = re.compile(b"|".join(map(re.escape, by_length))) if by_length else None

    def spans(self, text: bytes) -> Iterator[Span]:
        """Wherever one begins, the longest."""
        at = 0
        while self._pattern is not None and (found := self._pattern.search(text, at)):
            yield found.span()
            at = found.start() + 1

    def beginning(self, text: bytes, at: int) -> Iterator[bytes]:
        """The words that begin with all of the text from `at` on, and would go on behind it."""
        if text[at] not in self._first_bytes:
            return
        rest = text[at:]
        for number in range(bisect_left(self.sorted, rest), len(self.sorted)):
            word = self.sorted[number]
            if not word.startswith(rest):
                return
            if len(word) > len(rest):
                yield word


class _Joined:
    """A text without the line ends in which base64 may be wrapped, and where each of its characters stood.

    `before` is what stands before it: the end of a line that began there.
    """

    def __init__(self, text: bytes, before: bytes) -> None:
        self.whole = len(text)
        line_ends = _BREAK.finditer(before + text, len(before))
        breaks = [(one.start() - len(before), one.end() - len(before)) for one in line_ends]
        edges = [0, *(edge for span in breaks for edge in span), len(text)]
        self.text = b"".join(text[edges[n] : edges[n + 1]] for n in range(0, len(edges), 2))
        self._left_out = list(accumulate(end - begin for begin, end in breaks))
        gone_before = (0, *self._left_out)
        self._places = [begin - gone for (begin, _), gone in zip(breaks, gone_before, strict=False)]

    def place(self, at: int) -> int:
        """Where the character `at` stood; for the end of the text, the end of what it was."""
        if at == len(self.text):
            return self.whole
        passed = bisect_right(self._places, at)
        return at + self._left_out[passed - 1] if passed else at


def _room(length: int) -> int:
    """How many bytes of line ends may stand in so many characters of base64."""
    return 2 * (length // _NARROWEST + 1)


class Mask:
    """Knows a set of secrets; may be shared by threads."""

    def __init__(self, secrets: Iterable[str]) -> None:
        values = {value for secret in secrets for value in _values(secret)}
        self._written = _Words(form for value in values for form in _written(value))
        self._encoded = _Words(form for value in values for form in _encoded(value))

    @property
    def empty(self) -> bool:
        """Whether nothing is hidden at all."""
        return not self._written.sorted

    @property
    def longest(self) -> int:
        """Bytes that one occurrence can have."""
        return max(self._written.longest, self._encoded.longest + _room(self._encoded.longest))

    def spans(self, text: bytes, before: bytes = b"") -> list[Span]:
        """What is to be hidden, in order; no two overlap. `before`: the last `_NARROWEST` bytes before the text."""
        return [] if self.empty else merged([*self._written.spans(text), *self._wrapped(text, before)])

    def open_end(self, text: bytes, before: bytes = b"") -> int:
        """Where the earliest secret may begin that the text is too short to show whole."""
        begin = max(0, len(text) - self.longest + 1)
        tail = text[begin:]
        written = (at for at in range(len(tail)) if any(self._written.beginning(tail, at)))
        joined = _Joined(tail, (before + text[:begin])[-_NARROWEST:])
        wrapped = (joined.place(at) for at in range(len(joined.text)) if self._may_go_on(joined, at))
        return begin + min(next(written, len(tail)), next(wrapped, len(tail)))

    def _wrapped(self, text: bytes, before: bytes) -> Iterator[Span]:
        joined = _Joined(text, before)
        for start, end in self._encoded.spans(joined.text):
            fits = (size for size in self._sizes(joined.text, start, end) if _fits(joined, start, size))
            size = next(fits, 0)
            if size:
                yield joined.place(start), joined.place(start + size - 1) + 1

    def _sizes(self, text: bytes, start: int, end: int) -> Iterator[int]:
        """Lengths of the forms that stand here, longest first: the longest may be too broken to be one."""
        yield end - start
        for size in range(end - start - 1, _SHORTEST_BASE64 - 1, -1):
            word = text[start : start + size]
            number = bisect_left(self._encoded.sorted, word)
            if self._encoded.sorted[number : number + 1] == [word]:
                yield size

    def _may_go_on(self, joined: _Joined, at: int) -> bool:
        line_ends = joined.whole - joined.place(at) - (len(joined.text) - at)
        return any(line_ends <= _room(len(form)) for form in self._encoded.beginning(joined.text, at))

    def bytes(self, text: bytes) -> bytes:
        return b"".join(_shown(text, self.spans(text), len(text)))

    def text(self, text: str) -> str:
        if self.empty:
            return text
        return self.bytes(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def value(self, value: object) -> object:
        """Mask every text inside mappings and sequences."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.bytes(value)
        if isinstance(value, dict):
            return {self.value(name): self.value(part) for name, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(part) for part in value]
        return value


class Stream:
    """One stream of output, masked as it comes."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._kept = b""
        self._before = b""  # the last bytes before it
        self._hidden = 0  # bytes of it that stand behind a mask which has been shown

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; returns what can be shown already."""
        if self._mask.empty:
            return piece
        return self._show(self._kept + piece, over=False)

    def end(self) -> bytes:
        """What was kept back; call it when the stream is over."""
        return self._show(self._kept, over=True)

    def _show(self, text: bytes, *, over: bool) -> bytes:
        """Show all that begins before the first secret which may go on; of what began before it nothing is open."""
        upto = len(text) if over else self._mask.open_end(text, self._before)
        told = self._hidden
        spans = merged([*([(0, told)] if told else []), *self._mask.spans(text, self._before)])
        begun = [span for span in spans if span[0] < upto or (told and span[0] == 0)]
        shown = b"".join(_shown(text, begun, upto))
        self._before = (self._before + text[:upto])[-_NARROWEST:]
        self._kept, self._hidden = text[upto:], max(0, begun[-1][1] - upto) if begun else 0
        return shown[len(MASK) :] if told else shown


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans that overlap as one; neighbours stay two."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _fits(joined: _Joined, start: int, size: int) -> bool:
    return joined.place(start + size - 1) + 1 - joined.place(start) - size <= _room(size)


def _shown(text: bytes, spans: Iterable[Span], upto: int) -> Iterator[bytes]:
    """The text up to a place, with a mask for each span."""
    at = 0
    for begin, end in spans:
        yield text[at:begin]
        yield MASK
        at = end
    yield text[at:upto]
