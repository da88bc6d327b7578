"""A commit as git stores it: taken apart and put together byte for byte."""

import codecs
from dataclasses import dataclass
from typing import Final

from flowforge.git.hiding import Hider

_LINE: Final = 4000  # characters of a message's first line that are looked at
_SUBJECT: Final = 500  # and of those, how many are told


@dataclass(frozen=True, kw_only=True)
class Committer:
    """Who rebases, pinned so that a re-run makes the same commit ids. `date`: epoch seconds, UTC."""

    name: str
    email: str
    date: int


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit. `author` and `message` are raw bytes in `encoding` ("" is UTF-8)."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: bytes  # name, address, seconds, zone: the header's value
    encoding: str
    message: bytes

    @property
    def subject(self) -> str:
        """The first line of the message, readable, and without secrets: it is told in reports, events and rows."""
        text = _decoded(self.message.lstrip(b"\n"), self.encoding)
        line = "".join(c for c in text.partition("\n")[0][:_LINE] if c.isprintable()).strip()
        return Hider()(line)[:_SUBJECT]


def parse_commit(oid: str, raw: bytes) -> Commit:
    """Take a raw commit object apart. Headers that are not kept (signatures, merge tags) are left out."""
    head, _, message = raw.partition(b"\n\n")
    headers = [line.partition(b" ") for line in head.split(b"\n") if not line.startswith(b" ")]
    values = {name: value for name, _, value in reversed(headers)}  # the first of a name counts
    return Commit(
        oid=oid,
        tree=values[b"tree"].decode(),
        parents=tuple(value.decode() for name, _, value in headers if name == b"parent"),
        author=values.get(b"author", b""),
        encoding=values.get(b"encoding", b"").decode("ascii", "replace"),
        message=message,
    )


def replayed(commit: Commit, *, tree: str, parent: str, committer: Committer) -> bytes:
    """The raw commit that stands for `commit` on `parent`: author, encoding and message are its bytes."""
    lines = [b"tree " + tree.encode()]
    if parent:
        lines.append(b"parent " + parent.encode())
    lines += [b"author " + commit.author, b"committer " + identity(committer, commit.encoding)]
    if commit.encoding:
        lines.append(b"encoding " + commit.encoding.encode("ascii", "replace"))
    return b"\n".join(lines) + b"\n\n" + commit.message


def identity(committer: Committer, encoding: str = "") -> bytes:
    """A committer header's value; characters that would break the header are left out."""
    name = _clean(committer.name) or "FlowForge"
    mail = _clean(committer.email)
    return _encoded(f"{name} <{mail}> {committer.date} +0000", encoding)


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c not in "<>").strip(" .,:;\"'\\")


def _codec(encoding: str) -> str:
    try:
        return codecs.lookup(encoding or "utf-8").name
    except LookupError:
        return "ascii"


def _encoded(text: str, encoding: str) -> bytes:
    try:
        raw = text.encode(_codec(encoding), "replace")
    except (UnicodeError, TypeError, LookupError):
        raw = b""
    broken = not raw or b"\n" in raw or b"\0" in raw  # a header is one line, whatever the encoding says
    return text.encode("ascii", "replace") if broken else raw


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return codecs.decode(raw, _codec(encoding), "replace")
    except (UnicodeError, TypeError, LookupError):
        return raw.decode("ascii", "replace")
