"""What a commit's conflicts are answered from, and what is kept of how they were answered.

A pipeline whose resolve stage does not name the rung `memory` neither reads nor keeps anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from flowforge.core.conflict import Abstain, Candidate, Conflict, HunkAnswer, Resolution, WholeAnswer
from flowforge.core.decision import Told, fingerprint
from flowforge.core.errors import Reason
from flowforge.core.pipeline import OnFailure, Pipeline, StageResult
from flowforge.core.plan import make_plan
from flowforge.git.secrets import find_secret
from flowforge.pipeline.asking import mode_of
from flowforge.pipeline.context import Work
from flowforge.resolve.fallback import RUNG as FALLBACK
from flowforge.resolve.memory import (
    PERSON,
    RUNG,
    Found,
    Given,
    Memory,
    Person,
    digest,
    keys,
    mark,
    recall,
    recall_whole,
    whole_key,
)
from flowforge.resolve.policy import Paths, Policy


class Recollection:
    """What memory knows of the conflicts of one commit: one question for all of them, when the first is needed.

    Keys are those of the conflicts as git left them, whatever was answered beside them since.
    """

    def __init__(self, memory: Memory, conflicts: Sequence[Conflict]) -> None:
        self._memory = memory
        self._keys: Mapping[str, Mapping[int, str]] = {one.path: keys(one) for one in conflicts}
        self._whole: Mapping[str, str] = {one.path: whole_key(one) for one in conflicts}

    @cached_property
    def _found(self) -> Mapping[str, Found]:
        hunks = {key for file in self._keys.values() for key in file.values()}
        return self._memory.find(hunks | {key for key in self._whole.values() if key})

    def recall(self, conflict: Conflict, policy: Policy) -> Candidate | Abstain:
        """The text of a person for the whole path, or answers for the hunks that are still open."""
        whole = self._found.get(self._whole.get(conflict.path, ""))
        written = recall_whole(conflict, whole, mode_of(conflict))
        if written is not None:
            return written
        known = self._keys.get(conflict.path, {})
        wanted = {hunk.index: known[hunk.index] for hunk in conflict.hunks if hunk.index in known}
        return recall(conflict.path, wanted, self._found, policy)

    def taken_back(self, resolutions: Sequence[Resolution]) -> tuple[str, ...]:
        """Paths that a rung answered just as it did when a person took the answer back."""
        return tuple(one.conflict.path for one in resolutions if any(self._refused(one)))

    def _refused(self, resolution: Resolution) -> Iterator[bool]:
        known = self._keys.get(resolution.conflict.path, {})
        for answer in resolution.answers:
            found = self._found.get(known.get(answer.index, ""))
            if found is not None and answer.rung != PERSON:
                yield bool(found.kept.refused) and found.text == answer.text


def given(resolutions: Sequence[Resolution], told: Told, paths: Paths) -> tuple[Given, ...]:
    """What is worth keeping: nothing of a path that is a person's by policy, or in which a secret was found, no
    fallback, which decided without knowing anything, and no answer that wants a person: tests that pass would make it
    one that needs nobody.
    """
    allowed = [one for one in resolutions if not any(map(paths.forbids, _paths(one.conflict)))]
    found = [each for one in allowed if not holds_secret(one.result) for each in _answers(one, told)]
    texts: dict[str, set[bytes]] = {}
    for one in found:
        texts.setdefault(one.key, set()).add(one.text)
    return tuple(one for one in found if len(texts[one.key]) == 1)  # one place with two answers has none


def _answers(resolution: Resolution, told: Told) -> Iterator[Given]:
    conflict = resolution.conflict
    for key, text, answer in _texts(resolution):
        yield Given(
            key=key,
            path=conflict.path,
            text=text,
            rung=answer.rung,
            rule=answer.rule,
            why=answer.why,
            commit=conflict.commit_id,
            by=_author(conflict, told) if answer.rung == PERSON else None,
        )


def _texts(resolution: Resolution) -> Iterator[tuple[str, bytes, HunkAnswer | WholeAnswer]]:
    """Key and text of each answer: of the hunks, or the one that a person wrote for the whole path."""
    conflict, whole = resolution.conflict, resolution.whole
    known = keys(conflict)
    answers = (answer for answer in resolution.answers if answer.rung != FALLBACK and not answer.approval)
    yield from ((known[answer.index], answer.text, answer) for answer in answers)
    if whole is not None and whole.text is not None and whole.path == conflict.path:
        key = whole_key(conflict) if whole.rung in {PERSON, RUNG} else ""
        yield from [(key, whole.text, whole)] if key else []


def _author(conflict: Conflict, told: Told) -> Person:
    text = told.texts.get(fingerprint(conflict))
    return Person(user=text.user, name=text.name) if text is not None else Person(user="")


def _paths(conflict: Conflict) -> Sequence[str]:
    versions = (conflict.base, conflict.upstream, conflict.commit)
    return (conflict.path, *(version.path for version in versions if version is not None))


def holds_secret(text: bytes) -> bool:
    return any(find_secret(line) is not None for line in text.decode("utf-8", "replace").split("\n"))


def marks_of(resolution: Resolution) -> tuple[str, ...]:
    """How a job's work names the answers of one file, so that what becomes of them later finds them."""
    return tuple(mark(key, digest(text)) for key, text, _answer in _texts(resolution))


def learn(pipeline: Pipeline, work: Work, results: Sequence[StageResult], memory: Memory) -> None:
    """Tell memory what the job's tests have said of its answers: of the very tree, or nothing."""
    marks = {one for resolved in work.resolved for one in resolved.marks}
    if not marks or work.pending:
        return
    if _failed(pipeline, results):
        memory.tested(marks, passed=False)
    elif work.tree and work.tested_tree == work.tree:
        memory.tested(marks, passed=True)


def _failed(pipeline: Pipeline, results: Sequence[StageResult]) -> bool:
    """A stage that may fail, and tests that are red on the target too, say nothing of the answers."""
    counts = {
        stage.id
        for stage in make_plan(pipeline).stages
        if stage.uses == "test" and stage.on_failure is not OnFailure.CONTINUE
    }
    return any(one.stage in counts and one.reason is Reason.TESTS_FAILED for one in results)
