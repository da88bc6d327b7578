"""One conflict of the past as it is counted: what each hunk of a file was answered, and whether people wrote that.

A conflict about a path as a whole has no hunks, and is counted as one place.

Pure. A case keeps no text but, for answers that differ, a short excerpt that a person can judge them by.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Conflict, Hunk, HunkAnswer, Resolution, Version
from flowforge.resolve.difference import Difference, difference, of_file, of_path
from flowforge.resolve.equality import Equal, compare
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.ladder import Answers
from flowforge.resolve.place import human_texts
from flowforge.resolve.replay import Case, equal_of, parses
from flowforge.resolve.whole import difference_whole, is_text, key_of_path

EXCERPT = 4000  # bytes of one text that are kept


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """A differing hunk, for a person's eye, or a path as a whole. Each text is cut at `EXCERPT` bytes."""

    line: int  # 1-based, in git's merged text; 0 of a path as a whole
    base: bytes
    upstream: bytes
    commit: bytes
    answer: bytes
    human: bytes
    why: str
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class HunkCase:
    """One hunk, or a path as a whole. `key` is equal for those whose three sides are."""

    key: str
    rule: str = ""  # "rung/rule"; "" where no rung answered
    sure: bool = True  # False: the rule itself wants its answer confirmed
    equal: Equal | None = None  # None: not answered, or people's text for it was not found
    difference: Difference | None = None  # of one that differs
    excerpt: Excerpt | None = None  # of one that differs

    @property
    def counted(self) -> bool:
        return self.equal is not None

    @property
    def right(self) -> bool:
        return self.equal is not None and self.equal is not Equal.DIFFERENT


@dataclass(frozen=True, kw_only=True)
class FileCase:
    """One conflict of one merge of the past. One about a path as a whole has that as its only hunk."""

    merge: str
    date: int  # epoch seconds
    path: str
    kind: FileKind
    how: str  # how it was landed: merge | squash | rebase
    hunks: tuple[HunkCase, ...]
    equal: Equal | None  # of the whole file; None where a hunk stayed open
    ms: float = 0.0
    parses: bool | None = None  # the answer, see `resolve.replay.parses`

    @property
    def whole(self) -> bool:
        """Whether it is about a path as a whole."""
        return self.kind is FileKind.PATH

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for files in which the same hunks conflict."""
        return (self.path, *(hunk.key for hunk in self.hunks))

    @property
    def right(self) -> bool:
        return self.equal is not None and self.equal is not Equal.DIFFERENT

    @property
    def difference(self) -> Difference | None:
        """Of a file whose answer differs, how; None where it does not."""
        if self.equal is not Equal.DIFFERENT:
            return None
        return of_file(
            [hunk.difference for hunk in self.hunks], placed=all(hunk.counted for hunk in self.hunks)
        )

    @property
    def rules(self) -> tuple[str, ...]:
        """Of its hunks, each once; none where a hunk stayed open."""
        rules = tuple(dict.fromkeys(hunk.rule for hunk in self.hunks))
        return () if "" in rules else rules


def file_case(case: Case, answers: Answers, ms: float) -> FileCase:
    """What the ladder made of a case, beside what people made of it."""
    conflict, human = case.conflict, case.human or b""
    whole = answers.resolutions[0] if answers.resolutions else None
    given = whole.answers if whole else tuple(one for open_ in answers.unresolved for one in open_.answers)
    hunks = _hunks(conflict, given, human)
    if case.whole:
        hunks = (_without_places(case, whole),)
    elif whole is not None and whole.whole is not None:
        hunks = (_of_the_path(whole, hunks, human),)
    return FileCase(
        merge=case.merge,
        date=case.date,
        path=conflict.path,
        kind=case.kind,
        how=case.how,
        hunks=hunks,
        equal=equal_of(whole, case) if whole else None,
        ms=ms,
        parses=parses(whole, case),
    )


def _without_places(case: Case, whole: Resolution | None) -> HunkCase:
    key = key_of_path(case.conflict)
    if whole is None:
        return HunkCase(key=key)
    (answer,) = whole.given
    equal = equal_of(whole, case)
    differs = equal is Equal.DIFFERENT
    return HunkCase(
        key=key,
        rule=f"{answer.rung}/{answer.rule}",
        sure=answer.confirmed,
        equal=equal,
        difference=difference_whole(whole, case.stood) if differs else None,
        excerpt=_excerpt_of_path(case, whole) if differs else None,
    )


def _of_the_path(resolution: Resolution, hunks: Sequence[HunkCase], human: bytes) -> HunkCase:
    """A whole answer counts as one hunk that is all of the file's."""
    (answer,) = resolution.given
    digest = hashlib.sha256("".join(hunk.key for hunk in hunks).encode()).hexdigest()[:32]
    equal = compare(resolution.result, human)
    differs = equal is Equal.DIFFERENT
    return HunkCase(
        key=digest,
        rule=f"{answer.rung}/{answer.rule}",
        sure=answer.confirmed,
        equal=equal,
        difference=of_path(resolution.conflict, resolution.result, human) if differs else None,
    )


def _hunks(conflict: Conflict, given: Sequence[HunkAnswer], human: bytes) -> tuple[HunkCase, ...]:
    answers = {answer.index: answer for answer in given}
    texts = human_texts(conflict, human) if answers else {}
    return tuple(_hunk(hunk, answers.get(hunk.index), texts.get(hunk.index)) for hunk in conflict.hunks)


def _hunk(hunk: Hunk, answer: HunkAnswer | None, human: bytes | None) -> HunkCase:
    key = key_of(hunk)
    if answer is None:
        return HunkCase(key=key)
    equal = None if human is None else compare(answer.text, human)
    differs = human is not None and equal is Equal.DIFFERENT
    return HunkCase(
        key=key,
        rule=f"{answer.rung}/{answer.rule}",
        sure=answer.confirmed,
        equal=equal,
        difference=difference(hunk, answer.text, human) if differs and human is not None else None,
        excerpt=_excerpt(hunk, answer, human or b"") if differs else None,
    )


def key_of(hunk: Hunk) -> str:
    digest = hashlib.sha256()
    for text in (hunk.base, hunk.upstream, hunk.commit):
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:32]


def _excerpt(hunk: Hunk, answer: HunkAnswer, human: bytes) -> Excerpt:
    texts = {"base": hunk.base, "upstream": hunk.upstream, "commit": hunk.commit}
    return _cut(hunk.line, answer.why, texts | {"answer": answer.text, "human": human})


def _excerpt_of_path(case: Case, whole: Resolution) -> Excerpt:
    conflict = case.conflict
    (answer,) = whole.given
    sides = {"base": conflict.base, "upstream": conflict.upstream, "commit": conflict.commit}
    texts = {name: _shown([version] if version else []) for name, version in sides.items()}
    taken = whole.whole.version if whole.whole else None
    given = whole.result if taken is None else _shown([taken])
    return _cut(0, answer.why, texts | {"answer": given, "human": _shown(case.stood)})


def _shown(stood: Sequence[Version]) -> bytes:
    """What stands there; of what is no text, that."""
    return b"".join(
        (one.content or b"") if is_text(one) else f"(no text: mode {one.mode}, {one.oid})\n".encode()
        for one in stood
    )


def _cut(line: int, why: str, texts: Mapping[str, bytes]) -> Excerpt:
    short = {name: text[:EXCERPT] for name, text in texts.items()}
    return Excerpt(line=line, why=why, cut=any(len(text) > EXCERPT for text in texts.values()), **short)
