"""Cut known secrets out of text, in every form in which they usually leak.

A secret is searched for by exact value: as it is, percent-encoded, escaped as in JSON, and in base64 at any of
the three offsets it can have inside a longer encoded text (`Authorization: Basic` holds `user:password`). Long
secrets of several lines (private keys) are also masked line by line. `Stream` does it for output that comes in
pieces: it keeps back only what may be the beginning of a secret.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = b"***"
SHORTEST = 4  # bytes; a shorter value would shred every line and hide nothing
_SHORTEST_BASE64 = 8  # characters of base64 that are certain whatever stands around
_SHORTEST_LINE = 16


def forms(secret: str) -> frozenset[bytes]:
    """Every form of a secret that is searched for; empty for one that is too short."""
    lines = [line.strip() for line in secret.splitlines()]
    values = {secret.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)}
    found = {form for value in values if len(value.encode()) >= SHORTEST for form in _forms(value)}
    return frozenset(found)


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw
    for text in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield text.encode()
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text).encode()
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(value, ensure_ascii=False)[1:-1].encode()
    for offset in range(3):
        yield from _encoded(raw, offset)


def _encoded(raw: bytes, offset: int) -> Iterator[bytes]:
    """The characters of base64 that do not depend on what stands before (`offset` bytes modulo 3) and after."""
    start = (offset * 8 + 5) // 6
    end = (offset + len(raw)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        certain = encode(bytes(offset) + raw)[start:end]
        if len(certain) >= _SHORTEST_BASE64:
            yield certain


class Mask:
    """Knows a set of secrets; may be shared by threads."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets for form in forms(secret)}
        self.forms = tuple(sorted(found, key=lambda form: (-len(form), form)))
        self.longest = len(self.forms[0]) if self.forms else 0
        self.first_bytes = frozenset(form[0] for form in self.forms)
        self.pattern = re.compile(b"|".join(map(re.escape, self.forms))) if self.forms else None

    def bytes(self, text: bytes) -> bytes:
        return self.pattern.sub(MASK, text) if self.pattern else text

    def text(self, text: str) -> str:
        if not self.pattern:
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

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; returns what can be shown already."""
        pattern = self._mask.pattern
        if pattern is None:
            return piece
        text = self._kept + piece
        keep_from = self._open_end(text)
        shown: list[bytes] = []
        at = 0
        for found in pattern.finditer(text):
            if found.start() >= keep_from:
                break
            shown += (text[at : found.start()], MASK)
            at = found.end()
        cut = max(at, keep_from)
        shown.append(text[at:cut])
        self._kept = text[cut:]
        return b"".join(shown)

    def end(self) -> bytes:
        """What was kept back; call it when the stream is over."""
        rest, self._kept = self._mask.bytes(self._kept), b""
        return rest

    def _open_end(self, text: bytes) -> int:
        """Where the earliest secret may begin that the text is too short to show whole."""
        mask = self._mask
        for at in range(max(0, len(text) - mask.longest + 1), len(text)):
            rest = text[at:]
            if text[at] in mask.first_bytes and any(
                len(form) > len(rest) and form.startswith(rest) for form in mask.forms
            ):
                return at
        return len(text)
