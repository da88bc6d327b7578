"""Concurrency groups: which jobs wait for, keep out, or make way for one another. Rules only; nothing is read here.

A template is one of the words `repository`, `branch`, `target`, or a text that may hold them in braces. What it gives
for a job is the group's key. Keys are told apart by repository, so a group never reaches beyond one. A word alone means
the jobs of its own pipeline, as a rebase must not take the place of a check of the same branch; a text is a name that
somebody chose, and every pipeline that uses it means the same group.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MAX_TEMPLATE = 200  # characters
MAX_KEY = 400  # bytes: a key stands in an index, whose entries have a limit

_PIECE = re.compile(r"\{(?P<word>repository|branch|target)\}|(?P<text>[^{}]+)")


class Policy(StrEnum):
    """What a job does that meets an open one of its group."""

    SUPERSEDE = "supersede"  # the older ones make way
    QUEUE = "queue"  # they run one after another
    REJECT = "reject"  # it is refused


class Word(StrEnum):
    REPOSITORY = "repository"
    BRANCH = "branch"
    TARGET = "target"


Piece = Word | str  # a word stands for its value, a plain text for itself


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """A group as it was asked for: template and policy."""

    group: str = "branch"
    policy: str = Policy.QUEUE
    pipeline: str = ""  # name of the one within which a word alone counts; "" = all that have no name here


@dataclass(frozen=True, kw_only=True)
class Group:
    """The group of one job."""

    key: str
    policy: Policy


class BadTemplate(ValueError):
    """A template that says nothing; `column` is the first character (1-based) that cannot be read."""

    def __init__(self, sentence: str, column: int) -> None:
        super().__init__(f"{sentence} (character {column})")
        self.column = column


def parse_template(text: str) -> tuple[Piece, ...]:
    """Read a template.

    Raises:
        BadTemplate: it is empty, too long, holds control characters, or braces around anything but the three words.
    """
    if not text.strip():
        raise BadTemplate("a group needs a name", 1)
    if len(text) > MAX_TEMPLATE:
        raise BadTemplate(f"a group's name has at most {MAX_TEMPLATE} characters", MAX_TEMPLATE + 1)
    strange = next((at for at, letter in enumerate(text, 1) if not letter.isprintable()), 0)
    if strange:
        raise BadTemplate("a group's name is printable text on one line", strange)
    if text in set(Word):
        return _whole(Word(text))
    return tuple(_pieces(text))


def _whole(word: Word) -> tuple[Piece, ...]:
    """A word alone. Keys are of one repository, so the repository's own needs no value."""
    return ("repository",) if word is Word.REPOSITORY else (f"{word} ", word)


def _pieces(text: str) -> Iterator[Piece]:
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            raise BadTemplate("braces hold one of repository, branch, target", at + 1)
        yield Word(found["word"]) if found["word"] else found["text"]
        at = found.end()


def group_of(asked: Concurrency, *, repository: str, branch: str, target: str) -> Group | None:
    """The group of a job; None while its template asks for a target that nobody knows yet.

    A value stands in brackets: no ref may hold an opening one, so two jobs with different values never share a key.

    Raises:
        BadTemplate: the template cannot be read.
        ValueError: no such policy.
    """
    values = {Word.REPOSITORY: repository, Word.BRANCH: branch, Word.TARGET: target}
    pieces, policy = parse_template(asked.group), Policy(asked.policy)
    if not target and Word.TARGET in [piece for piece in pieces if isinstance(piece, Word)]:
        return None
    key = "".join(f"[{values[piece]}]" if isinstance(piece, Word) else piece for piece in pieces)
    within = f"{asked.pipeline}: " if asked.pipeline and asked.group in set(Word) else ""
    return Group(key=_short(f"{within}{key}"), policy=policy)


def _short(key: str) -> str:
    data = key.encode(errors="surrogatepass")
    if len(data) <= MAX_KEY:
        return key
    return f"{data[: MAX_KEY // 2].decode(errors='ignore')}… {hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class Met:
    """What a running job finds that learns only now which group is its own; ids as text, "" = there is none."""

    running: str = ""  # another one that runs
    older: str = ""  # an open one that was submitted before it
    newer: str = ""  # the newest open one that was submitted after it
    ahead: str = ""  # a queued one whose turn is earlier and has come


class Late(StrEnum):
    """What becomes of it."""

    GO = "go"
    WAIT = "wait"  # back into the queue, now as a member of its group
    YIELD = "yield"  # superseded
    REFUSED = "refused"


def late(policy: Policy, met: Met) -> Late:
    """Decide as if it had been known on arrival. Under `supersede` the older ones are asked to make way as well."""
    if policy is Policy.SUPERSEDE and met.newer:
        return Late.YIELD
    if policy is Policy.REJECT and met.older:
        return Late.REFUSED
    if met.running or (policy is Policy.QUEUE and met.ahead):
        return Late.WAIT
    return Late.GO
