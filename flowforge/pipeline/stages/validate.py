"""validate: every file that the result changes against its target is checked, clean rebases included."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.verdict import Outcome, Verdict
from flowforge.git.changes import changes
from flowforge.git.objects import SUBMODULE_MODE, SYMLINK_MODE, Entry, Objects
from flowforge.hooks.contracts import CheckedFile, Neighbour
from flowforge.merge.manifests import may_be_locked
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.neighbours import neighbours
from flowforge.pipeline.options import ValidateOptions
from flowforge.resolve.rungs import language_of
from flowforge.validate.gate import Decision, decide, unknown_checks, validators_for, verdict_of
from flowforge.validate.introduced import Ranges, checked_file
from flowforge.validate.locked import manifests_beside
from flowforge.validate.related import related

OUTSIDE = "outside"
SEMANTICS = "semantics"  # the checks that may look across files
SIZE = "size"
_STANDS = {  # what a whole answer put there
    "upstream": "the file is upstream's version as it is",
    "commit": "the file is the commit's version as it is",
    "base": "the file is the version that both sides started from",
    "text": "the file was written as a whole",
    "removed": "the file is removed",
}
_MAX_FILE = (
    4 << 20
)  # bytes; a larger file is told as not checked, and ends the stage where FlowForge wrote into it


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    if work.pending:
        raise Refused(
            Reason.UNRESOLVED_CONFLICTS,
            "the branch is not replayed to its end, so there is no result to check",
            next_action="put a resolve stage before validate",
        )
    checks = _checks(spec, tools)
    verdicts = tuple(_verdicts(checks, work, tools))
    tools.recorder.validated(spec.id, verdicts)
    decision = decide(verdicts)
    outputs = {"checks": {kind.value: count for kind, count in decision.counts.items()}}
    if not decision.passed:
        return replace(_refused(spec.id, decision), outputs=outputs), work
    sentence = decision.sentence if verdicts else "the branch changes no file"
    done = StageResult(stage=spec.id, result=Result.SUCCESS, sentence=sentence, outputs=outputs)
    return done, replace(work, validated_tree=work.tree)


def _checks(spec: StageSpec, tools: Tools) -> Sequence[str]:
    asked = ValidateOptions.model_validate(spec.options).checks
    unknown = set(unknown_checks(asked, tools.registry.validators.values())) - {OUTSIDE}
    if unknown:
        raise Refused(
            Reason.PIPELINE_INVALID,
            f"no validator answers to {', '.join(map(repr, sorted(unknown)))}",
            next_action="install the plugin that brings it, or take the word out of `checks`",
        )
    return asked


def _proofs(work: Work) -> Iterator[Verdict]:
    """Bytes outside the hunks equal git's own merge: proven by hash when each answer was put in.

    A whole answer has no outside; what stands there instead is said.
    """
    for resolved in work.resolved:
        sentence = _STANDS.get(
            resolved.whole, f"bytes outside the hunks are git's own: sha256 {resolved.outside[:16]}"
        )
        yield Verdict(validator=OUTSIDE, path=resolved.path, outcome=Outcome.PASS, sentence=sentence)


def _verdicts(checks: Sequence[str], work: Work, tools: Tools) -> Iterator[Verdict]:
    if OUTSIDE in checks:
        yield from _proofs(work)
    call = partial(tools.pool.call, cancelled=tools.cancelled)
    for file in _files(work, tools, across=SEMANTICS in checks):
        if tools.cancelled():
            raise Refused(Reason.CANCELLED, "the job was cancelled while files were checked")
        if isinstance(file, Verdict):
            yield file
            continue
        for validator in validators_for(file, checks, tools.registry.validators.values()):
            yield verdict_of(validator, file, call)


def _files(work: Work, tools: Tools, *, across: bool) -> Iterator[CheckedFile | Verdict]:
    """The regular files that differ from the target, with the versions of all three sides.

    A file too large to be checked is a verdict already. `across`: each with the files that it must be read together
    with, and after them those of the target whose new lines may use what the branch took away.
    """
    with tools.mirror.git.objects() as objects:
        trees = [objects.commit(tip).tree for tip in (work.merge_base, work.upstream, work.old_head)]
        known = partial(_compared, tools)
        others = neighbours(objects, trees, work.tree, known) if across else ()
        beside = related([other for other in others if _known(tools, other.path)]) | manifests_beside(others)
        for change in changes(objects, trees[1], work.tree):
            if change.new is None or change.new.mode in {SYMLINK_MODE, SUBMODULE_MODE}:
                continue
            path = change.path.decode("utf-8", "surrogateescape")
            text = _text(objects, change.new)
            if text is None:
                yield _too_large(path, work)
                continue
            sides = [_text(objects, objects.entry(tree, change.path)) for tree in trees]
            yield _checked(path, text, sides, work, tools, beside.pop(path, ()))
        for other in others:
            if other.path in beside and other.text is not None:
                sides = [other.base, other.upstream, other.commit]
                yield _checked(other.path, other.text, sides, work, tools, beside[other.path])


def _checked(
    path: str,
    text: bytes,
    sides: Sequence[bytes | None],
    work: Work,
    tools: Tools,
    beside: tuple[Neighbour, ...],
) -> CheckedFile:
    language = language_of(path, tools.registry.languages.values())
    file = checked_file(
        path,
        language.id if language else "",
        text,
        base=sides[0],
        upstream=sides[1],
        commit=sides[2],
        resolved=_ranges(work, path, text),
    )
    return replace(file, related=beside)


def _known(tools: Tools, path: str) -> bool:
    return language_of(path, tools.registry.languages.values()) is not None


def _compared(tools: Tools, path: str) -> bool:
    """Whether other files are read with it: source, and lockfiles with what they are made from."""
    return _known(tools, path) or may_be_locked(path)


def _too_large(path: str, work: Work) -> Verdict:
    """No large file holds a change up by its size alone, but one that FlowForge answered may not go unchecked."""
    written = any((resolved.stands_at or resolved.path) == path for resolved in work.resolved)
    return Verdict(
        validator=SIZE,
        path=path,
        outcome=Outcome.ERROR if written else Outcome.SKIP,
        sentence=f"it has more than {_MAX_FILE >> 20} MiB and was not checked",
    )


def _text(objects: Objects, entry: Entry | None) -> bytes | None:
    """A regular file's bytes; None where there is none, or it is too large to be source."""
    if entry is None or entry.mode in {SYMLINK_MODE, SUBMODULE_MODE}:
        return None
    info = objects.info(entry.oid)
    if info is None or info.kind != "blob" or info.size > _MAX_FILE:
        return None
    return objects.read(entry.oid, "blob")


def _ranges(work: Work, path: str, text: bytes) -> Ranges:
    """Lines that FlowForge wrote; known only while no later commit changed the file again."""
    digest = hashlib.sha256(text).hexdigest()
    for resolved in reversed(work.resolved):
        if (resolved.stands_at or resolved.path) == path and resolved.sha256 == digest:
            return resolved.ranges
    return ()


def _sides(work: Work, path: str) -> Iterator[bytes]:
    """Where each side has the file: under another name, where a rename was answered."""
    known = (one for one in reversed(work.resolved) if (one.stands_at or one.path) == path)
    paths = next((one.sides for one in known), ("", "", ""))
    return ((one or path).encode("utf-8", "surrogateescape") for one in paths)


def _refused(stage: str, decision: Decision) -> StageResult:
    result = Result.ERROR if decision.outcome is Outcome.ERROR else Result.FAILURE
    return StageResult(
        stage=stage,
        result=result,
        reason=decision.reason,
        sentence=decision.sentence,
        next_action=decision.next_action,
        evidence="validation",
    )
