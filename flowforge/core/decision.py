"""What a job asks a person, and what it was told: values that a stage makes, the store keeps and a door shows.

A question names every file that the answer is about, each by a fingerprint of the very conflict: an answer that
comes hours later, on another worker, is put where the same disagreement stands and nowhere else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from flowforge.core.access import Role
from flowforge.core.conflict import Conflict, Side


class QuestionKind(StrEnum):
    APPROVE = "approve"  # everything is answered; a person must agree before it goes on
    RESOLVE = "resolve"  # some files have no answer; a person must write it


class Verb(StrEnum):
    """What a person may say."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"


@dataclass(frozen=True, kw_only=True)
class AskedHunk:
    """How one place was answered, or what a rung said when it could not."""

    rung: str
    rule: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AskedFile:
    """One conflicted file of a question. Texts are None where that side has none, or it is too large to be kept."""

    path: str
    commit: str  # original id of the commit that was replayed
    kind: str
    fingerprint: str  # of the conflict: see `fingerprint`
    open: bool  # it has no answer yet
    sentence: str = ""  # why it is open
    protected: bool = False  # a path that only a maintainer may answer
    hunks: tuple[AskedHunk, ...] = ()
    base: bytes | None = None
    upstream: bytes | None = None
    commit_text: bytes | None = None
    result: bytes | None = None  # the answer; where it is open, git's own merge with markers


@dataclass(frozen=True, kw_only=True)
class RefMove:
    """A ref as a push would move it; `old` is "" where it would be made."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a stage said about the result."""

    stage: str
    result: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a yes lets through. Ids are full hex; `changed` names the first paths in which result and target differ."""

    target: str
    upstream: str
    head: str
    commits: int
    moves: tuple[RefMove, ...] = ()  # of the push stages that follow
    changed: tuple[str, ...] = ()
    changed_count: int = 0
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a stage asks before the job may go on."""

    kind: QuestionKind
    sentence: str
    files: tuple[AskedFile, ...]
    tree: str = ""  # what an approval is for: this tree and no other
    again: str = ""  # id of the stage that runs again when files are edited; "" = text is no answer
    outlook: Outlook | None = None
    who: Role = Role.USER  # the least role that may approve
    within: float | None = None  # seconds for the answer, where they are fewer than the installation grants
    last: bool = False  # the pipeline has `finally` stages, which run after a no, too


@dataclass(frozen=True, kw_only=True)
class GivenText:
    """What stands for one conflict after a person decided: their own text, or the answer that they saw."""

    text: bytes
    by_person: bool
    hunks: tuple[AskedHunk, ...] = ()  # of the answer that they saw
    user: str = ""  # whose text it is: their id
    name: str = ""  # and what they are called


@dataclass(frozen=True, kw_only=True)
class Told:
    """All that persons have decided in a job so far."""

    texts: Mapping[str, GivenText] = field(default_factory=dict)  # by fingerprint
    approved: frozenset[str] = frozenset()  # trees
    agreed: frozenset[tuple[str, str]] = frozenset()  # (id of the stage that asked, tree)


NOBODY = Told()


def fingerprint(conflict: Conflict) -> str:
    """The same three texts at the same path in the same commit, whatever they were replayed onto."""
    digest = hashlib.sha256(f"{conflict.commit_id}\0{conflict.path}\0".encode(errors="surrogateescape"))
    for side in Side:
        text = conflict.text(side)
        digest.update(b"-" if text is None else b"%d:" % len(text) + text)
    return digest.hexdigest()


def answers(question: Question) -> tuple[Verb, ...]:
    """What a person may say to it."""
    if question.kind is QuestionKind.RESOLVE:
        return (Verb.EDIT, Verb.REJECT)
    if not question.again:
        return (Verb.APPROVE, Verb.REJECT)
    return (Verb.APPROVE, Verb.EDIT, Verb.REJECT)


def editable(files: Sequence[AskedFile]) -> bool:
    """Whether texts can answer every open file; one that they cannot leaves nothing to ask for."""
    return all(file.result is not None for file in files if file.open)
