"""What is wrong with the file that a model's answer makes, found by the same means that judge a merge.

A text of words cannot be run past a parser hunk by hunk: so the answer is put in its place, in memory, and the file
is read in a child process. A file that cannot be looked at in time is not taken for a good one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flowforge.core.conflict import Abstain, Candidate, Conflict, Side, fit, outside_hash, resolve_with
from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.core.verdict import Level, Outcome, Verdict
from flowforge.hooks.contracts import CheckedFile
from flowforge.hooks.manager import Registry
from flowforge.pipeline.options import CHECKS
from flowforge.resolve.answer_shape import Flaw, Problem
from flowforge.resolve.rungs import language_of
from flowforge.validate.gate import validators_for, verdict_of
from flowforge.validate.introduced import answered_ranges, checked_file

_OFFENDS: Final = "flowforge.merge.sound:offends"
_CHECKS: Final = tuple(
    check for check in CHECKS if check != "provenance"
)  # which a lower rung's line would trip
_DEADLINE: Final = 6.0  # seconds for reading one file in all its versions


@dataclass(frozen=True, kw_only=True)
class FileLook:
    """Looks at the files of one job. `call` runs a function in a child process, as `Pool.call`."""

    registry: Registry
    call: Callable[..., object]

    def __call__(self, conflict: Conflict, candidate: Candidate) -> Problem | None:
        """The first thing that is wrong; None where nothing is found, which is not the same as right."""
        worse = self._worse(conflict, candidate)
        whole = len(candidate.answers) == len(conflict.hunks)
        return worse or (self._checked(conflict, candidate) if whole else None)

    def _worse(self, conflict: Conflict, candidate: Candidate) -> Problem | None:
        language = language_of(conflict.path, self.registry.languages.values())
        if language is None or not language.grammar:
            return None
        try:
            said = self.call(_OFFENDS, conflict, candidate, language, deadline=_DEADLINE)
        except FlowForgeError as error:
            if error.reason is Reason.CANCELLED or isinstance(error, Temporary):
                raise
            return _unread(error.sentence)
        if not isinstance(said, Abstain):
            return None
        flaw = Flaw.DOES_NOT_PARSE if said.why == Flaw.DOES_NOT_PARSE else Flaw.FILE_CHECK
        return Problem(flaw=flaw, sentence=f"of the file: {said.sentence}")

    def _checked(self, conflict: Conflict, candidate: Candidate) -> Problem | None:
        resolution = resolve_with(conflict, candidate.answers)
        if (
            resolution.outside != outside_hash(conflict.segments)
            or fit(conflict.segments, resolution.result) is None
        ):
            return Problem(flaw=Flaw.OUTSIDE, sentence="the answer would change bytes outside its hunks")
        language = language_of(conflict.path, self.registry.languages.values())
        file = checked_file(
            conflict.path,
            language.id if language else "",
            resolution.result,
            base=conflict.text(Side.BASE),
            upstream=conflict.text(Side.UPSTREAM),
            commit=conflict.text(Side.COMMIT),
            resolved=answered_ranges(resolution),
        )
        return self._validated(file)

    def _validated(self, file: CheckedFile) -> Problem | None:
        for validator in validators_for(file, _CHECKS, self.registry.validators.values()):
            problem = _problem(verdict_of(validator, file, self.call))
            if problem is not None:
                return problem
        return None


def _problem(verdict: Verdict) -> Problem | None:
    if verdict.outcome is Outcome.ERROR:
        return _unread(f"{verdict.validator}: {verdict.sentence}")
    if verdict.outcome is not Outcome.FAIL:
        return None
    found = next(one for one in verdict.findings if one.level is Level.ERROR and one.introduced)
    sentence = (
        f"with this answer line {found.start} of the file: {found.message} [{verdict.validator}/{found.rule}]"
    )
    return Problem(flaw=Flaw.FILE_CHECK, sentence=sentence)


def _unread(why: str) -> Problem:
    return Problem(flaw=Flaw.FILE_CHECK, sentence=f"the file with this answer could not be checked ({why})")
