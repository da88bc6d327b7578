"""The gate: which validators look at which file, and how all that they say becomes one decision.

Decides only. The one effect, calling a validator in a child process, is handed in as `call`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import pathspec

from flowforge.core.errors import Broken, FlowForgeError, Reason
from flowforge.core.verdict import Finding, Level, Outcome, Verdict, fold, judge
from flowforge.hooks.contracts import CheckedFile, Validator

RUN = "flowforge.validate.check:run_check"  # what a pool is asked to call
_MOST = 200  # findings of one validator on one file
_MEMORY = 512 << 20


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the gate says about the whole change."""

    outcome: Outcome
    reason: Reason
    sentence: str
    next_action: str = ""
    verdicts: tuple[Verdict, ...] = ()
    counts: Mapping[Outcome, int] = field(default_factory=dict)  # verdicts by outcome

    @property
    def passed(self) -> bool:
        return self.outcome in {Outcome.PASS, Outcome.SKIP}


def validators_for(
    file: CheckedFile, checks: Collection[str], validators: Iterable[Validator]
) -> tuple[Validator, ...]:
    """The validators of the asked `checks` that look at this file, in an order that is always the same."""
    fitting = (
        validator
        for validator in validators
        if validator.check in checks
        and (not validator.languages or file.language in validator.languages)
        and (not validator.globs or _spec(validator.globs).match_file(file.path))
    )
    return tuple(sorted(fitting, key=lambda validator: validator.id))


@lru_cache(maxsize=64)
def _spec(globs: tuple[str, ...]) -> pathspec.GitIgnoreSpec:
    return pathspec.GitIgnoreSpec.from_lines(globs)


def unknown_checks(checks: Iterable[str], validators: Iterable[Validator]) -> tuple[str, ...]:
    """Words of `checks` that no installed validator answers to: a pipeline naming one is refused."""
    known = {validator.check for validator in validators}
    return tuple(check for check in checks if check not in known)


def verdict_of(validator: Validator, file: CheckedFile, call: Callable[..., object]) -> Verdict:
    """One validator's word on one file. `call` is `Pool.call`, or what has its shape.

    A validator that cannot be imported, raises, hangs, dies or answers something else is an ERROR verdict.

    Raises:
        FlowForgeError: only with reason `cancelled`; then there is nobody to have a verdict for.
    """
    try:
        answer = call(RUN, validator.load, file, deadline=validator.timeout, memory=_MEMORY)
        findings = _findings(validator, file, answer)
    except FlowForgeError as error:
        if error.reason is Reason.CANCELLED:
            raise
        sentence = error.sentence.replace(repr(RUN), repr(validator.load))
        return Verdict(validator=validator.id, path=file.path, outcome=Outcome.ERROR, sentence=sentence)
    return judge(validator.id, file.path, findings)


def decide(verdicts: Sequence[Verdict]) -> Decision:
    """Fold all verdicts: an ERROR or FAIL anywhere stops the change, and the sentence names the worst of it."""
    outcome = fold(verdicts)
    counts = {kind: sum(verdict.outcome is kind for verdict in verdicts) for kind in Outcome}
    reason, sentence, action = _words(outcome, verdicts, counts)
    return Decision(
        outcome=outcome,
        reason=reason,
        sentence=sentence,
        next_action=action,
        verdicts=tuple(verdicts),
        counts=counts,
    )


def _findings(validator: Validator, file: CheckedFile, answer: object) -> tuple[Finding, ...]:
    """What came back, if it is what a validator may say."""
    rows = answer if isinstance(answer, tuple) else (answer,)
    findings = tuple(row for row in rows if isinstance(row, Finding) and isinstance(row.level, Level))
    if len(findings) != len(rows):
        strange = next(row for row in rows if row not in findings)
        raise _garbage(validator, f"{type(strange).__name__} instead of a Finding")
    for finding in findings:
        if finding.path != file.path:
            raise _garbage(validator, f"a finding in {finding.path!r}, asked about {file.path!r}")
        if not 1 <= finding.start <= finding.end:
            raise _garbage(validator, f"lines {finding.start} to {finding.end}")
    return _most_important(findings)


def _most_important(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """All of them, or the gravest where there are too many: none that decides is dropped for one that does not."""
    if len(findings) <= _MOST:
        return findings
    grave = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}
    ordered = sorted(findings, key=lambda found: (not found.introduced, grave[found.level], found.start))
    return tuple(ordered[:_MOST])


def _garbage(validator: Validator, what: str) -> Broken:
    return Broken(
        Reason.PLUGIN_FAILED,
        f"validator {validator.id!r} answered {what}",
        next_action="tell its author, or leave its check out of `checks`",
    )


def _words(
    outcome: Outcome, verdicts: Sequence[Verdict], counts: Mapping[Outcome, int]
) -> tuple[Reason, str, str]:
    files = len({verdict.path for verdict in verdicts})
    if outcome is Outcome.SKIP:
        return Reason.SKIPPED, "no validator had anything to look at", ""
    if outcome is Outcome.PASS:
        return Reason.DONE, f"{_of(counts[outcome], 'check')} passed on {_of(files, 'file')}", ""
    worst = [verdict for verdict in verdicts if verdict.outcome is outcome]
    more = f" ({len(worst) - 1} more)" if len(worst) > 1 else ""
    first = worst[0]
    if outcome is Outcome.ERROR:
        said = f"{first.validator} could not check {first.path!r}: {first.sentence}{more}"
        return Reason.PLUGIN_FAILED, said, "mend or switch off the validator: flowforge plugins list"
    finding = next(f for f in first.findings if f.level is Level.ERROR and f.introduced)
    said = f"{first.path}:{finding.start}: {finding.message} [{first.validator}/{finding.rule}]{more}"
    return Reason.VALIDATION_FAILED, said, "resolve this file by hand, or leave the check out of `checks`"


def _of(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
