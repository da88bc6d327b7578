"""A conflict as a value, and the one way to put an answer into it.

Sides have names: `base` (where both started), `upstream` (the branch that is rebased onto) and `commit` (the
one that is replayed). A conflict's text is a row of segments: bytes that git merged by itself, and hunks that
it could not. A resolution replaces hunks; `splice` builds the file, and `outside_hash` proves that every byte
between the hunks is git's own. What hunks cannot answer (a file that one side deleted, a link, a lockfile that a
tool writes anew) has a `WholeAnswer`: one for the whole path.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from flowforge.core.account import NO_ACCOUNT, Account
from flowforge.core.errors import Reason, Refused


class Side(StrEnum):
    BASE = "base"
    UPSTREAM = "upstream"
    COMMIT = "commit"


class Kind(StrEnum):
    """What kind of disagreement git found. Only CONTENT and ADD_ADD have hunks."""

    CONTENT = "content"
    ADD_ADD = "add_add"
    MODIFY_DELETE = "modify_delete"
    RENAME_RENAME = "rename_rename"
    RENAME_DELETE = "rename_delete"
    RENAME_ADD = "rename_add"
    DIRECTORY_RENAME = "directory_rename"
    FILE_DIRECTORY = "file_directory"
    BINARY = "binary"
    SUBMODULE = "submodule"
    MODE = "mode"
    SYMLINK = "symlink"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Version:
    """One side's version of a conflicted file. `content` is None where it was not read (binary, too large)."""

    path: str
    mode: str  # git's six octal digits
    oid: str
    content: bytes | None

    @property
    def pointer(self) -> bool:
        """Whether it is text that stands for a large file which Git LFS keeps: two of them have nothing to merge."""
        return (self.content or b"").startswith(b"version https://git-lfs.github.com/spec/")


@dataclass(frozen=True, kw_only=True)
class Hunk:
    """One place that git could not merge: three texts, each the bytes between git's markers."""

    index: int
    base: bytes
    upstream: bytes
    commit: bytes
    line: int = 0  # 1-based line in git's merged text at which the hunk begins

    def side(self, side: Side) -> bytes:
        return {Side.BASE: self.base, Side.UPSTREAM: self.upstream, Side.COMMIT: self.commit}[side]


Segment = bytes | Hunk


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """One disagreement: its kind, up to three versions, and the text with holes.

    `path` is where the result would stand; a rename gives versions with other paths. `commit_id` is the
    original commit being replayed, `said` what git said about it in its own words. `places` are the paths that git
    left open for it (both new names of a file that was renamed twice): who answers it decides all of them.
    """

    path: str
    kind: Kind
    base: Version | None
    upstream: Version | None
    commit: Version | None
    segments: tuple[Segment, ...] = ()
    commit_id: str = ""
    subject: str = ""  # first line of the commit's message
    said: str = ""
    mode: str = "100644"  # of the result, where git could decide it
    places: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[Version, ...]:
        """Those that there are, base first."""
        return tuple(one for one in (self.base, self.upstream, self.commit) if one is not None)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that has to do with it: where the result would stand first, each once."""
        return tuple(dict.fromkeys((self.path, *self.places, *(version.path for version in self.versions))))

    @property
    def hunks(self) -> tuple[Hunk, ...]:
        return tuple(segment for segment in self.segments if isinstance(segment, Hunk))

    @property
    def resolvable(self) -> bool:
        """Whether it has hunks that texts can answer; every other has a whole answer, or goes to a person."""
        return self.kind in {Kind.CONTENT, Kind.ADD_ADD} and bool(self.hunks)

    def version(self, side: Side) -> Version | None:
        return {Side.BASE: self.base, Side.UPSTREAM: self.upstream, Side.COMMIT: self.commit}[side]

    def text(self, side: Side) -> bytes | None:
        version = self.version(side)
        return version.content if version else None


@dataclass(frozen=True, kw_only=True)
class HunkAnswer:
    """The text for one hunk, and who gave it and why: this is what a person reads in the report."""

    index: int
    text: bytes
    rung: str  # memory, mechanical, structural, model, person, ...
    rule: str  # which rule of the rung, e.g. "whitespace-only commit"
    why: str  # one sentence
    confirmed: bool = True  # False: a proposal that tests or a person must confirm
    approval: str = ""  # why a person must agree whatever tests say, in a sentence; "" = they need not
    account: Account = NO_ACCOUNT


@dataclass(frozen=True, kw_only=True)
class WholeAnswer:
    """The answer for a whole path: one side's version as it is, new bytes, or (with neither) that the path goes.

    Of the conflict's `places` only `path` stays. `why` says what becomes of the file, in words that a person reads.
    """

    path: str  # where it stands: one of the conflict's paths
    rung: str
    rule: str
    why: str
    version: Version | None = None  # one of the conflict's own
    text: bytes | None = None
    mode: str = "100644"  # one that a side has, of the same type as the version; new bytes are a regular file
    confirmed: bool = True  # as of a `HunkAnswer`, as what follows
    approval: str = ""
    account: Account = NO_ACCOUNT

    @property
    def removes(self) -> bool:
        return self.version is None and self.text is None


@dataclass(frozen=True, kw_only=True)
class Abstain:
    """Why a rung gives no answer: a short typed word and a sentence for the person who takes over."""

    why: str
    sentence: str
    account: Account = NO_ACCOUNT


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a rung offers: answers for some or all hunks of one conflict, or one for the whole path.

    `left` says why the hunks without an answer have none, where the rung knows.
    """

    answers: tuple[HunkAnswer, ...] = ()
    whole: WholeAnswer | None = None
    left: tuple[Abstain, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """A complete answer: every hunk has one, or the path has one as a whole."""

    conflict: Conflict
    answers: tuple[HunkAnswer, ...]  # by hunk index, complete; none where `whole` answers
    result: bytes  # empty where the path is removed, or where it is a version that was not read
    outside: str  # sha-256 over every byte between the hunks; "" where `whole` answers
    whole: WholeAnswer | None = None

    @property
    def given(self) -> tuple[HunkAnswer | WholeAnswer, ...]:
        """What was answered, for whoever tells of it: by rung, rule and why."""
        return self.answers if self.whole is None else (self.whole,)

    @property
    def taken(self) -> str:
        """What a whole answer puts there: upstream | commit | base | text | removed; "" where hunks are answered."""
        if self.whole is None:
            return ""
        if self.whole.version is None:
            return "removed" if self.whole.removes else "text"
        sides = (Side.UPSTREAM, Side.COMMIT, Side.BASE)
        return next(side.value for side in sides if self.conflict.version(side) == self.whole.version)

    @property
    def stands_at(self) -> str:
        """The path of the result; "" where it is removed."""
        if self.whole is None:
            return self.conflict.path
        return "" if self.whole.removes else self.whole.path


@dataclass(frozen=True, kw_only=True)
class Unresolved:
    """A conflict that goes to a person, with what every rung said about it."""

    conflict: Conflict
    sentence: str
    tried: Mapping[str, str] = field(default_factory=dict)  # rung -> its sentence
    reasons: Mapping[str, str] = field(default_factory=dict)  # rung -> its last typed word
    accounts: Mapping[str, Account] = field(default_factory=dict)  # rung -> what is known of its answers
    answers: tuple[HunkAnswer, ...] = ()  # those of its hunks that rungs answered; kept for counting only


_REGULAR = frozenset({"100644", "100755"})
_ORDER = b"<|=>"  # the order of git's markers: upstream follows the first, then base, then commit


def parse_segments(text: bytes, size: int) -> tuple[Segment, ...]:
    """Cut git's merged text (diff3 style, upstream first, markers of `size` characters) into segments.

    The row begins and ends with bytes, and bytes and hunks alternate; the bytes may be empty.

    Raises:
        Refused: the markers are not in order, so a line like a marker stood in a version.
    """
    segments: list[Segment] = []
    plain: list[bytes] = []
    sides: list[list[bytes]] = []  # lines after each marker of the open hunk; empty outside hunks
    start = 0
    for number, line in enumerate(split_lines(text), start=1):
        mark = _marker(line, size)
        if mark is None:
            (sides[-1] if sides else plain).append(line)
            continue
        if mark != _ORDER[len(sides)]:
            raise _disordered(number)
        if not sides:
            segments.append(b"".join(plain))
            plain, start = [], number
        if len(sides) < len(_ORDER) - 1:
            sides.append([])
            continue
        upstream, base, commit = (b"".join(side) for side in sides)
        segments.append(
            Hunk(index=len(segments) // 2, base=base, upstream=upstream, commit=commit, line=start)
        )
        sides = []
    if sides:
        raise _disordered(start)
    segments.append(b"".join(plain))
    return tuple(segments)


def splice(segments: Sequence[Segment], texts: Sequence[bytes]) -> bytes:
    """Put `texts`, one per hunk in order, into the holes; the bytes between are copied as they are.

    Raises:
        Refused: not exactly one text per hunk.
    """
    holes = sum(isinstance(segment, Hunk) for segment in segments)
    if holes != len(texts):
        raise Refused(
            Reason.UNRESOLVED_CONFLICTS,
            f"{holes} hunks need {holes} texts, {len(texts)} were given",
            next_action="answer every hunk, or hand the file to a person",
        )
    filling = iter(texts)
    return b"".join(next(filling) if isinstance(segment, Hunk) else segment for segment in segments)


def fit(segments: Sequence[Segment], result: bytes) -> tuple[bytes, ...] | None:
    """Find texts that `splice` would turn into `result`: None where bytes outside the hunks were changed.

    Leftmost matching is complete here: if any placing of the fixed parts exists, the leftmost one does.
    """
    fixed = [segment for segment in segments if not isinstance(segment, Hunk)]
    if len(fixed) == 1:
        return () if result == fixed[0] else None
    head, tail = fixed[0], fixed[-1]
    end = len(result) - len(tail)
    if not result.startswith(head) or not result.endswith(tail) or end < len(head):
        return None
    texts: list[bytes] = []
    at = len(head)
    for middle in fixed[1:-1]:
        found = result.find(middle, at, end)
        if found < 0:
            return None
        texts.append(result[at:found])
        at = found + len(middle)
    return (*texts, result[at:end])


def outside_hash(segments: Sequence[Segment]) -> str:
    """SHA-256 over the bytes between hunks, each with its length, so that no byte can change place unseen."""
    digest = hashlib.sha256()
    for segment in segments:
        if not isinstance(segment, Hunk):
            digest.update(len(segment).to_bytes(8, "big") + segment)
    return digest.hexdigest()


def resolve_with(conflict: Conflict, answers: Sequence[HunkAnswer]) -> Resolution:
    """Build the whole answer from one `HunkAnswer` per hunk.

    Raises:
        Refused: an answer is missing, doubled or names an unknown hunk.
    """
    ordered = sorted(answers, key=lambda answer: answer.index)
    if [answer.index for answer in ordered] != [hunk.index for hunk in conflict.hunks]:
        raise Refused(
            Reason.UNRESOLVED_CONFLICTS,
            f"{conflict.path!r} has hunks {[hunk.index for hunk in conflict.hunks]}, "
            f"answers name {[answer.index for answer in ordered]}",
            next_action="answer every hunk once",
        )
    return Resolution(
        conflict=conflict,
        answers=tuple(ordered),
        result=splice(conflict.segments, [answer.text for answer in ordered]),
        outside=outside_hash(conflict.segments),
    )


def resolve_whole(conflict: Conflict, answer: WholeAnswer) -> Resolution:
    """The complete answer from one for the whole path.

    Raises:
        Refused: it is none for this conflict; see `misfit`.
    """
    problem = misfit(conflict, answer)
    if problem:
        raise Refused(
            Reason.UNRESOLVED_CONFLICTS,
            f"the answer for {conflict.path!r} {problem}",
            next_action="resolve this path by hand",
        )
    content = answer.text if answer.version is None else answer.version.content
    return Resolution(conflict=conflict, answers=(), result=content or b"", outside="", whole=answer)


def misfit(conflict: Conflict, answer: WholeAnswer) -> str:
    """Why a whole answer is none for this conflict, as the end of a sentence; "" where it is one.

    It may choose among what the sides have, and write text; it can neither name a path nor a mode that no side has.
    """
    if answer.version is not None and answer.text is not None:
        return "holds both a version and a text"
    if answer.path not in conflict.paths:
        return f"names {answer.path!r}, which is no path of this conflict"
    if answer.version is not None and answer.version not in conflict.versions:
        return "takes a version that no side has"
    return "" if answer.removes else _mode_misfit(conflict, answer)


def _mode_misfit(conflict: Conflict, answer: WholeAnswer) -> str:
    if answer.mode not in {conflict.mode, *(version.mode for version in conflict.versions)}:
        return f"has mode {answer.mode!r}, which no side has"
    if answer.version is None:
        return "" if answer.mode in _REGULAR else "is text for what is no regular file"
    same = answer.mode == answer.version.mode or {answer.mode, answer.version.mode} <= _REGULAR
    return "" if same else "turns a version into another type of file"


def split_lines(text: bytes) -> list[bytes]:
    """Lines with their ends kept, cut at LF only: git knows no other line end."""
    lines = [line + b"\n" for line in text.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _marker(line: bytes, size: int) -> int | None:
    """Which marker (its character) the line is, if it is one."""
    if len(line) < size or line[0] not in _ORDER or line[:size] != line[:1] * size:
        return None
    return line[0] if line[size : size + 1] in {b"", b" ", b"\n", b"\r"} else None


def _disordered(line: int) -> Refused:
    return Refused(
        Reason.UNRESOLVED_CONFLICTS,
        f"line {line} looks like a conflict marker but stands in the file itself",
        next_action="resolve this file by hand",
    )
