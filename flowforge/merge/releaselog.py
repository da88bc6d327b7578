"""Reading a changelog: releases, their sections, their entries, and by what the releases are in order."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flowforge.core.conflict import split_lines

_VERSION = re.compile(
    r"(?<![\w.])v?(\d+(?:\.(?:\d+|x|X))+)(?:[-.]?((?:a|b|c|rc|alpha|beta|pre|dev|m)[-.]?\d*))?(?![\w])",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(unreleased|next|upcoming|development|in progress|head|master|main|nightly)\b", re.IGNORECASE
)
_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_HASHES = re.compile(rb"(#{1,6})\s+(.+)")
_LINE = re.compile(rb"([=\-~^*+\"'`])\1{2,}\s*$")
_PLAIN = re.compile(rb"(?:version |release )?v?\d+(?:\.\d+)+\S*\s*(?:[-/(\xe2,:].{0,60})?$", re.IGNORECASE)
_LABEL = re.compile(rb"\.\. _[^:]+:\s*$|<a (?:name|id)=.*>\s*$")
_BULLET = re.compile(rb"([ \t]*)([-*+]|\xe2\x80\xa2|\d+[.)]|#\.)[ \t]+\S")
_UNRELEASED = "unreleased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A bullet with all that hangs on it, or a paragraph. `key` is its text without its line breaks."""

    gap: bytes  # blank lines before it
    text: bytes
    key: str
    bullet: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Entries under one heading inside a release; the first one has none."""

    key: str
    head: bytes
    entries: tuple[Entry, ...]
    tail: bytes  # blank lines behind the last entry

    @classmethod
    def empty(cls, key: str) -> "Section":
        return cls(key=key, head=b"", entries=(), tail=b"")

    @property
    def text(self) -> bytes:
        return self.head + b"".join(entry.gap + entry.text for entry in self.entries) + self.tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A heading with a version, and everything to the next one; what stands before the first has an empty key."""

    key: str
    version: tuple[int, ...]  # () = none yet
    day: str  # "" = none
    head: bytes
    sections: tuple[Section, ...]
    tail: bytes
    span: tuple[int, int]

    @classmethod
    def empty(cls, key: str) -> "Release":
        return cls(key=key, version=(), day="", head=b"", sections=(), tail=b"", span=(0, 0))

    @property
    def name(self) -> str:
        return self.key or "what stands before the first release"

    @property
    def text(self) -> bytes:
        return self.head + b"".join(section.text for section in self.sections) + self.tail

    @property
    def entries(self) -> tuple[tuple[str, ...], ...]:
        """What is said under the heading, without what dates it."""
        return tuple(tuple(entry.key for entry in self._bullets(section)) for section in self.sections)

    @staticmethod
    def _bullets(section: Section) -> Sequence[Entry]:
        return [entry for entry in section.entries if entry.bullet]

    @property
    def dated(self) -> tuple[str, ...]:
        """What says when the release was: the heading, and a first paragraph about it."""
        head = [line.strip() for line in split_lines(self.head) if line.strip() and not _LINE.match(line)]
        first = self.sections[0].entries[:1] if self.sections else ()
        said = [entry.key for entry in first if not entry.bullet and _dates(entry.key)]
        return (*(line.decode("utf-8", "replace") for line in head), *said) if self.key else ()


def _dates(text: str) -> bool:
    short = len(text) <= 200  # noqa: PLR2004 (a line or two)
    words = ("released", "release", "not yet", "to be decided", "tba", "state:", "date:")
    return short and (
        bool(_DAY.search(text)) or bool(_OPEN.search(text)) or any(w in text.lower() for w in words)
    )


@dataclass(frozen=True, slots=True)
class _Heading:
    start: int  # numbers of lines
    end: int
    title: str
    level: str  # how it is marked
    release: bool


def read_log(text: bytes) -> tuple[Release, ...]:
    """The releases of a changelog in their order; printing them in a row gives the same bytes."""
    lines = split_lines(text)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    headings = _headings(lines)
    starts = [(_labelled(lines, heading.start), heading) for heading in headings if heading.release]
    releases: list[Release] = []
    first = starts[0][0] if starts else len(lines)
    if first:
        releases.append(_release(lines, offsets, 0, first, None, headings))
    stops = [start for start, _ in starts[1:]] + [len(lines)] * bool(starts)
    for (start, heading), stop in zip(starts, stops, strict=True):
        releases.append(_release(lines, offsets, start, stop, heading, headings))
    return tuple(_told_apart(releases))


def _told_apart(releases: Sequence[Release]) -> Sequence[Release]:
    """A heading that stands again is told from the last one by its number, counted from the old end."""
    seen: dict[str, int] = {}
    told: list[Release] = []
    for release in reversed(releases):
        number = seen[release.key] = seen.get(release.key, 0) + 1
        told.append(release if number == 1 else _renamed(release, f"{release.key} ({number})"))
    return told[::-1]


def _renamed(release: Release, key: str) -> Release:
    fields = {name: getattr(release, name) for name in ("version", "day", "head", "sections", "tail", "span")}
    return Release(key=key, **fields)


def _headings(lines: Sequence[bytes]) -> list[_Heading]:
    found: list[_Heading] = []
    fenced = False
    at = 0
    while at < len(lines):
        line = lines[at]
        fenced ^= line.lstrip().startswith(b"```")
        heading = None if fenced else _heading(lines, at)
        if heading is not None:
            found.append(heading)
        at = heading.end if heading is not None else at + 1
    return found


def _heading(lines: Sequence[bytes], at: int) -> _Heading | None:
    line = lines[at]
    hashes = _HASHES.match(line)
    if hashes:
        return _titled(at, at + 1, hashes.group(2), hashes.group(1).decode())
    following = lines[at + 1] if at + 1 < len(lines) else b""
    title = line.strip() and line[:1] not in b" \t" and not _LINE.match(line)
    if title and _LINE.match(following) and (not _BULLET.match(line) or _PLAIN.match(line.strip())):
        return _titled(at, at + 2, line, following[:1].decode())
    if _PLAIN.match(line.rstrip()) and not (at and lines[at - 1].strip()):
        return _titled(at, at + 1, line, "")
    return None


def _titled(start: int, end: int, title: bytes, level: str) -> _Heading:
    said = title.decode("utf-8", "replace").strip()
    bare = re.sub(r"\]\([^)]*\)", "]", said)
    release = bool(_VERSION.search(bare)) or (len(bare) <= 60 and bool(_OPEN.search(bare)))  # noqa: PLR2004 (a title)
    return _Heading(start, end, said, level, release)


def _labelled(lines: Sequence[bytes], start: int) -> int:
    """Where a heading begins: a label before it belongs to it."""
    at = start
    while at and not lines[at - 1].strip():
        at -= 1
    if at and _LABEL.match(lines[at - 1]):
        while at and _LABEL.match(lines[at - 1]):
            at -= 1
        return at
    return start


def _release(
    lines: Sequence[bytes],
    offsets: Sequence[int],
    start: int,
    stop: int,
    heading: _Heading | None,
    headings: Sequence[_Heading],
) -> Release:
    body = heading.end if heading else start
    places = slice(*(bisect_left(headings, at, key=lambda h: h.start) for at in (body, stop)))
    inner = [h for h in headings[places] if h.end <= stop and not h.release]
    last = stop
    while last > body and not lines[last - 1].strip():
        last -= 1
    bounds = [(body, body, "")] + [(h.start, h.end, h.title.lower()) for h in inner]
    ends = [h.start for h in inner] + [last]
    seen: dict[str, int] = {}
    sections: list[Section] = []
    for (at, below, title), end in zip(bounds, ends, strict=True):
        number = seen[title] = seen.get(title, 0) + 1
        key = title if number == 1 else f"{title} ({number})"
        sections.append(_section(key, lines, at, below, max(end, below)))
    title = heading.title if heading else ""
    bare = re.sub(r"\]\([^)]*\)", "]", title)
    return Release(
        key=_key(bare) if heading else "",
        version=_version(bare),
        day=_day(bare, lines[body:last]),
        head=b"".join(lines[start:body]),
        sections=tuple(sections),
        tail=b"".join(lines[last:stop]),
        span=(offsets[start], offsets[stop]),
    )


def _key(title: str) -> str:
    found = _VERSION.search(title)
    if not found:
        return _UNRELEASED
    before = " ".join(title[: found.start()].lower().strip("[( ").split())
    return f"{before} {found.group(0).lower().lstrip('v')}".strip().removeprefix("version ")


_PRE = {"dev": -5, "a": -4, "alpha": -4, "m": -4, "b": -3, "beta": -3, "pre": -3, "c": -2, "rc": -2}


def _version(title: str) -> tuple[int, ...]:
    found = _VERSION.search(title)
    if not found:
        return ()
    numbers = [10**9 if part in {"x", "X"} else int(part[:12]) for part in found.group(1).split(".")]
    numbers = (numbers + [0] * 5)[:5]
    pre = re.match(r"([a-z]+)[-.]?(\d*)", (found.group(2) or "").lower())
    return (*numbers, _PRE.get(pre.group(1), -1), int((pre.group(2) or "0")[:9])) if pre else (*numbers, 0, 0)


def _day(title: str, body: Sequence[bytes]) -> str:
    for text in (title, b"".join(body[:6]).decode("utf-8", "replace")):
        found = _DAY.search(text)
        if found:
            return f"{found.group(1)}-{found.group(2):0>2}-{found.group(3):0>2}"
    return ""


def _section(key: str, lines: Sequence[bytes], start: int, below: int, stop: int) -> Section:
    entries: list[Entry] = []
    gap: list[bytes] = []
    text: list[bytes] = []
    column, before = -1, b""  # the indentation of the open bullet; blank lines before the open entry

    def close() -> None:
        if text:
            joined = b"".join(text)
            said = " ".join(joined.decode("utf-8", "replace").split())
            entries.append(Entry(gap=before, text=joined, key=said, bullet=column >= 0))

    for line in lines[below:stop]:
        if not line.strip():
            gap.append(line)
            continue
        depth = len(line) - len(line.lstrip())
        bullet = _BULLET.match(line)
        inside = depth > column if gap or bullet else True
        if text and ((column >= 0 and inside) or (column < 0 and not gap and not bullet)):
            text += [*gap, line]
        else:
            close()
            before, text, column = b"".join(gap), [line], depth if bullet else -1
        gap = []
    close()
    return Section(key=key, head=b"".join(lines[start:below]), entries=tuple(entries), tail=b"".join(gap))


Before = Callable[[Release, Release], bool | None]


def order_of(releases: Sequence[Release]) -> Before:
    """A function that says whether one release stands before another, measured from the file.

    By version where the file's own releases are in that order, else by day; newest first or last as they are. One
    that has neither stands where the newest ones stand.
    """
    ranks: list[Callable[[Release], object]] = [lambda release: release.version, lambda release: release.day]
    best: tuple[int, int, bool] | None = None
    for number, rank in enumerate(ranks):
        known = [rank(release) for release in releases if release.key and rank(release)]
        up = sum(one < two for one, two in pairwise(known))  # type: ignore[operator]
        down = sum(one > two for one, two in pairwise(known))  # type: ignore[operator]
        score = (min(up, down) - (1 if max(up, down) else 0), number, down >= up)
        if best is None or score < best:
            best = score
    _, chosen, newest_first = best or (0, 0, True)
    rank = ranks[chosen]

    def before(one: Release, two: Release) -> bool | None:
        mine, theirs = rank(one) or one.version, rank(two) or two.version
        if not mine or not theirs or type(mine) is not type(theirs):
            return newest_first and bool(theirs) and not mine
        if mine == theirs:
            return False
        return (mine > theirs) is newest_first  # type: ignore[operator]

    return before
