"""What was answered before: the same hunk in the same place gets the same answer, and nothing less will do.

A key covers path, the three sides and the bytes around the hunk; one byte of difference is another key. What becomes
of an answer is decided here, by pure rules over `Kept`: it begins as a proposal, tests or a person confirm it, what a
person said stands above what a rung said, and what was taken back is not offered again. Where answers are kept is a
port: `Memory` has a form in Postgres, shared by an organization's jobs, one in a file of a user, and `Remembered` here.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, WholeAnswer
from flowforge.resolve.policy import Action, Policy

RUNG: Final = "memory"
PERSON: Final = "person"  # the rung of an answer that a person wrote
CONTEXT: Final = 3  # lines on either side of a hunk that must be equal too
LARGEST: Final = 1 << 18  # bytes of an answer that is kept
_FORM: Final = b"memory-1"  # part of the key: another way of making it must find nothing old
_WHOLE: Final = b"memory-whole-1"
_MARKER: Final = re.compile(rb"^(?:<{7}|>{7}|\|{7})", re.MULTILINE)


class Confirmed(StrEnum):
    """Who agreed to an answer."""

    NOBODY = ""  # it is a proposal
    TESTS = "tests"  # those of a tree that held it
    PERSON = "person"


class Refused(StrEnum):
    """Who took an answer back."""

    NOBODY = ""
    REJECTED = "rejected"  # a person said no to the result that held it
    UNDONE = "undone"  # the push that held it was taken back


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who decided, as they were called then."""

    user: str  # id
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is known of a kept answer, without its text."""

    digest: str  # of the text
    rung: str  # that first gave it
    rule: str
    why: str
    confirmed: Confirmed = Confirmed.NOBODY
    by: Person | None = None  # who wrote it, or approved it
    refused: Refused = Refused.NOBODY
    job: str = ""  # in which it was given; "" = this run, which is no job
    commit: str = ""  # that was replayed
    last: tuple[str, str] = ("", "")  # job and commit in which it was used last
    uses: int = 1
    day: str = ""  # on which a run without a service gave it, as 2026-12-31; "" = a job did, or this run

    @property
    def stands(self) -> bool:
        """Whether another rung's answer leaves it as it is."""
        return not self.refused and (bool(self.confirmed) or self.by is not None)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A kept answer with its text."""

    kept: Kept
    text: bytes


@dataclass(frozen=True, kw_only=True)
class Given:
    """An answer that was used just now."""

    key: str
    path: str
    text: bytes
    rung: str
    rule: str
    why: str
    commit: str
    by: Person | None = None  # a person wrote it

    @property
    def mark(self) -> str:
        return mark(self.key, digest(self.text))


class Memory(Protocol):
    """Kept answers of one organization and repository, by exact key. It may fail to keep, and never raises for it."""

    def find(self, keys: Collection[str]) -> Mapping[str, Found]:
        """All that is kept under these keys, refused ones too."""
        ...

    def keep(self, answers: Sequence[Given]) -> None:
        """Note that these answers were used: see `used`."""
        ...

    def tested(self, marks: Collection[str], *, passed: bool) -> None:
        """Tests of a tree with these answers ended: see `after_tests`."""
        ...

    def take_back(self, marks: Collection[str]) -> None:
        """The push that brought these answers was undone."""
        ...


# ------------------------------------------------------------------------------------------------------- keys


def keys(conflict: Conflict) -> Mapping[int, str]:
    """The key of every hunk, by index: 64 letters of hex."""
    segments = conflict.segments
    return {
        segment.index: _key(conflict, segment, _plain(segments, at - 1), _plain(segments, at + 1))
        for at, segment in enumerate(segments)
        if isinstance(segment, Hunk)
    }


def _plain(segments: tuple[bytes | Hunk, ...], at: int) -> bytes:
    segment = segments[at] if 0 <= at < len(segments) else b""
    return segment if isinstance(segment, bytes) else b""


def _key(conflict: Conflict, hunk: Hunk, before: bytes, after: bytes) -> str:
    sums = hashlib.sha256()
    context = (
        b"".join(before.splitlines(keepends=True)[-CONTEXT:]),
        b"".join(after.splitlines(keepends=True)[:CONTEXT]),
    )
    path = conflict.path.encode(errors="surrogateescape")
    for part in (_FORM, path, hunk.base, hunk.upstream, hunk.commit, *context):
        sums.update(len(part).to_bytes(8, "big") + part)
    return sums.hexdigest()


def whole_key(conflict: Conflict) -> str:
    """The key of a text for the whole path: of its name, its kind and all of each side; "" where one was not read."""
    sums = hashlib.sha256()
    parts = [_WHOLE, conflict.path.encode(errors="surrogateescape"), conflict.kind.value.encode()]
    for version in (conflict.base, conflict.upstream, conflict.commit):
        if version is not None and version.content is None:
            return ""
        parts += [version.mode.encode(), version.content or b""] if version is not None else [b"-", b""]
    for part in parts:
        sums.update(len(part).to_bytes(8, "big") + part)
    return sums.hexdigest()


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def mark(key: str, text: str) -> str:
    """One answer as a job's work names it: the place, and which text (its digest) stands there."""
    return f"{key}.{text}"


def unmarked(marks: Collection[str]) -> Mapping[str, str]:
    """Digests by key. Marks of an unknown form are left out."""
    return {key: text for key, dot, text in (one.partition(".") for one in marks) if dot}


# ------------------------------------------------------------------------------------------------------ rules


def poisoned(text: bytes) -> str:
    """Why a text is never kept; "" where it may be."""
    if len(text) > LARGEST:
        return "too_large"
    if b"\0" in text:
        return "nul"
    return "markers" if _MARKER.search(text) else ""


def used(before: Kept | None, given: Given, job: str) -> Kept | None:
    """What is kept once an answer was used; None: nothing.

    What memory itself offered is never kept anew: it may have been forgotten in between. A person's own text stands
    at once and above all others; a rung's takes the place of what nobody agreed to, and of what was taken back.
    """
    fresh = _fresh(given, job)
    same = before is not None and before.digest == fresh.digest
    if given.by is not None:
        return replace(fresh, uses=before.uses + _again(before, fresh)) if before and same else fresh
    if before is None:
        return None if given.rung == RUNG else fresh
    if same:
        return replace(before, last=fresh.last, uses=before.uses + _again(before, fresh))
    return before if before.stands or given.rung == RUNG else fresh


def _fresh(given: Given, job: str) -> Kept:
    return Kept(
        digest=digest(given.text),
        rung=given.rung,
        rule=given.rule,
        why=given.why,
        confirmed=Confirmed.PERSON if given.by else Confirmed.NOBODY,
        by=given.by,
        job=job,
        commit=given.commit,
        last=(job, given.commit),
    )


def _again(before: Kept, now: Kept) -> int:
    """0 where this very use was counted: a stage that runs again, or a write that was made twice."""
    return int(before.last != now.last)


def after_tests(before: Kept, *, passed: bool) -> Kept | None:
    """What is kept once tests have ended; None: forget it.

    What fails is forgotten where nobody had agreed to it; else it is a proposal again, as tests fail for other reasons
    too.
    """
    if before.refused:
        return before
    if passed:
        return before if before.confirmed else replace(before, confirmed=Confirmed.TESTS)
    return replace(before, confirmed=Confirmed.NOBODY) if before.stands else None


def approved(before: Kept, by: Person) -> Kept:
    """A person said yes to a result that held it; who wrote it, or said yes first, stays named."""
    return replace(before, confirmed=Confirmed.PERSON, refused=Refused.NOBODY, by=before.by or by)


def rejected(before: Kept) -> Kept:
    """A person said no to a result that held it. What a person had decided is only a proposal again: the no may have
    been for another file.
    """
    if before.by is not None:
        return replace(before, confirmed=Confirmed.NOBODY)
    return replace(before, confirmed=Confirmed.NOBODY, refused=Refused.REJECTED)


def undone(before: Kept) -> Kept:
    return replace(before, confirmed=Confirmed.NOBODY, refused=Refused.UNDONE)


def marked(
    before: Mapping[str, Kept], marks: Collection[str], rule: Callable[[Kept], Kept | None]
) -> Mapping[str, Kept | None]:
    """What a rule changes of the answers that are marked and still have that text; None: forget it."""
    wanted = unmarked(marks)
    after = {key: rule(kept) for key, kept in before.items() if wanted.get(key) == kept.digest}
    return {key: kept for key, kept in after.items() if kept != before[key]}


class Remembered:
    """A `Memory` for one process."""

    def __init__(self) -> None:
        self._found: dict[str, Found] = {}

    def learn(self, found: Mapping[str, Found]) -> None:
        """Know what another memory keeps, where this one knows nothing yet."""
        self._found = {**found, **self._found}

    def find(self, keys: Collection[str]) -> Mapping[str, Found]:
        return {key: self._found[key] for key in keys if key in self._found}

    def keep(self, answers: Sequence[Given]) -> None:
        for given in answers:
            before = self._found.get(given.key)
            kept = None if poisoned(given.text) else used(before.kept if before else None, given, "")
            if kept is None:
                continue
            same = before is not None and kept.digest == before.kept.digest
            self._found[given.key] = Found(kept=kept, text=before.text if before and same else given.text)

    def tested(self, marks: Collection[str], *, passed: bool) -> None:
        self._change(marks, lambda kept: after_tests(kept, passed=passed))

    def take_back(self, marks: Collection[str]) -> None:
        self._change(marks, undone)

    def _change(self, marks: Collection[str], rule: Callable[[Kept], Kept | None]) -> None:
        before = {key: found.kept for key, found in self._found.items()}
        for key, kept in marked(before, marks, rule).items():
            if kept is None:
                del self._found[key]
            else:
                self._found[key] = replace(self._found[key], kept=kept)


# ----------------------------------------------------------------------------------------------------- recall


def recall(
    path: str, wanted: Mapping[int, str], found: Mapping[str, Found], policy: Policy
) -> Candidate | Abstain:
    """Answers kept for hunks of a file, whose keys are `wanted` by index.

    What was confirmed stands; a proposal is worth what the rung that gave it is worth here.
    """
    kept = {index: found[key] for index, key in wanted.items() if key in found}
    if not kept:
        return Abstain(why="not_seen", sentence="no hunk of this file was answered before in this place")
    offered = {index: one for index, one in kept.items() if offers(one.kept, policy, path)}
    if not offered:
        return Abstain(why="not_offered", sentence=_withheld(next(iter(kept.values())).kept))
    return Candidate(answers=tuple(_answer(index, one, policy, path) for index, one in offered.items()))


def recall_whole(conflict: Conflict, one: Found | None, mode: str) -> Candidate | None:
    """What a person once wrote for exactly this file; nobody else's text stands for a whole one."""
    if one is None or one.kept.refused or one.kept.rung != PERSON:
        return None
    answer = WholeAnswer(
        path=conflict.path,
        rung=RUNG,
        rule=f"answered before by {PERSON}",
        why=told(one.kept),
        text=one.text,
        mode=mode,
        confirmed=bool(one.kept.confirmed),
    )
    return Candidate(whole=answer)


def offers(kept: Kept, policy: Policy, path: str) -> bool:
    if kept.refused:
        return False
    return bool(kept.confirmed) or kept.by is not None or _first(kept, policy, path) is not Action.OFF


def _first(kept: Kept, policy: Policy, path: str) -> Action:
    """What the rung that first gave it may do here."""
    return policy.action(kept.rung, kept.rule, path)


def _withheld(kept: Kept) -> str:
    if not kept.refused:
        return f"it was answered before by {kept.rung}, which is switched off here"
    how = "was pushed and undone" if kept.refused is Refused.UNDONE else "was rejected by a person"
    return f"the answer by {kept.rung} that was given before{_where(kept)} {how}"


def _answer(index: int, one: Found, policy: Policy, path: str) -> HunkAnswer:
    kept = one.kept
    return HunkAnswer(
        index=index,
        text=one.text,
        rung=RUNG,
        rule=f"answered before by {kept.rung}",
        why=f"{told(kept)}: {kept.why}" if kept.why else told(kept),
        confirmed=bool(kept.confirmed) or (kept.by is None and _first(kept, policy, path) is Action.ACT),
    )


def told(kept: Kept) -> str:
    """Where an answer comes from, for whoever reads the report."""
    if kept.rung == PERSON and kept.by is not None:
        return f"as {kept.by.name or 'a person'} decided{_where(kept)}"
    paid = ", at no cost now" if kept.rung == "model" else ""
    return f"answered before by {kept.rung}{_where(kept)} ({_agreed(kept)}{paid})"


def _agreed(kept: Kept) -> str:
    if kept.confirmed is Confirmed.PERSON:
        return f"approved by {(kept.by and kept.by.name) or 'a person'}"
    return f"confirmed by {kept.confirmed}" if kept.confirmed else "a proposal"


def _where(kept: Kept) -> str:
    if kept.job:
        return f" in job {kept.job}"
    return f" on {kept.day}" if kept.day else " in this run"
