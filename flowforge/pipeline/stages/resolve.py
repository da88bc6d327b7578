"""resolve: climb the ladder at every commit that conflicts, and go on replaying while every answer is whole.

A commit that only brings lockfiles which git merged as text is climbed for, too: they are written anew, or stay. The
first commit with a conflict that no rung may answer ends the stage: what could be answered is shown, the rest goes to
a person. Nothing half-resolved is ever kept as work.
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from flowforge.core.conflict import Resolution, Unresolved, Version
from flowforge.core.decision import Question, fingerprint
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import OnFailure, Pipeline, StageResult, StageSpec
from flowforge.git.replay import Replay, Stopped, replay, resume
from flowforge.pipeline.asking import open_question, with_told
from flowforge.pipeline.context import ResolvedPath, Tools, Work
from flowforge.pipeline.lockfile import Relocker, climb_all
from flowforge.pipeline.mergedlocks import Standing, settled, sorted_out, watch_of
from flowforge.pipeline.options import RebaseOptions, ResolveOptions
from flowforge.pipeline.progress import advanced
from flowforge.pipeline.remembering import Recollection, given, marks_of
from flowforge.pipeline.remerging import second_look
from flowforge.pipeline.rungs import Climber
from flowforge.resolve.fallback import Fallback, told
from flowforge.resolve.ladder import Answers
from flowforge.resolve.memory import RUNG as MEMORY
from flowforge.resolve.policy import Policy
from flowforge.validate.introduced import answered_ranges


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    if not work.pending:
        return StageResult(
            stage=spec.id, result=Result.SKIP, reason=Reason.SKIPPED, sentence="nothing conflicts"
        ), work
    options = ResolveOptions.model_validate(spec.options)
    standing = Standing()
    while work.pending:
        _refuse_cancelled(tools)
        work, answers = one_commit(spec, work, tools, options, standing)
        if answers.unresolved:
            return _handed_back(spec, work, answers, _policy(options, tools), tools.pipeline), work
    return _resolved(spec.id, work, standing), work


def one_commit(
    spec: StageSpec, work: Work, tools: Tools, options: ResolveOptions, standing: Standing
) -> tuple[Work, Answers]:
    """Answer the next commit that replaying stops at, and replay on to the one after it.

    The work stands still where a conflict has no answer. `standing` is told what stays as git merged it.
    """
    watch = watch_of(tools.pipeline)
    stop = replay(tools.mirror, work.pending, work.head, tools.committer, empty=_empty(tools), watch=watch)
    if stop.stopped is None:
        return advanced(work, stop), Answers()
    work = advanced(work, stop)
    answers, taken_back, left = _climbed(spec, work, tools, options, stop.stopped, standing)
    if answers.resolutions or answers.unresolved:
        tools.recorder.resolved(spec.id, answers.resolutions, answers.unresolved)
    if answers.unresolved:
        return work, answers
    standing.paths.update(left)
    for sentence in left.values():
        tools.recorder.log(spec.id, f"commit {stop.stopped.commit[:10]}: {sentence}\n".encode())
    work = _gone_on(work, stop, answers, tools)
    notes = (*map(_taken_back, taken_back), *left.values(), *filter(None, map(told, answers.resolutions)))
    work = replace(work, notes=tuple(dict.fromkeys((*work.notes, *notes))))
    if MEMORY in options.rungs:
        tools.memory.keep(given(answers.resolutions, tools.told, _policy(options, tools).paths))
    return work, answers


def _climbed(
    spec: StageSpec, work: Work, tools: Tools, options: ResolveOptions, stopped: Stopped, standing: Standing
) -> tuple[Answers, tuple[str, ...], Mapping[str, str]]:
    """What persons and rungs answer; paths whose answer was once taken back; what stays as git merged it, and why."""
    decided = with_told(stopped, tools.told)
    known = {one.conflict.path for one in decided}
    open_ = [conflict for conflict in stopped.conflicts if conflict.path not in known]
    held = [lock for lock in stopped.held if lock.path not in known]
    policy, memory = _policy(options, tools), Recollection(tools.memory, open_)
    climber = Climber(work=work, tools=tools, stopped=stopped, model=options.model, recollection=memory)
    relocker = Relocker(spec=spec, tools=tools, stopped=stopped, answered=decided)
    locks = sorted_out(held, policy.paths, options.protect or (), standing.given_up)
    rungs = (*climber.rungs(options.rungs), *_fallback(options).rungs(policy.paths))
    answers = climb_all(open_, rungs, policy, relocker, options, locks.asked)
    taken_back = memory.taken_back(answers.resolutions) if MEMORY in options.rungs else ()
    answers = replace(answers, approve=tuple(dict.fromkeys((*answers.approve, *taken_back))))
    left: Mapping[str, str] = {}
    if held:
        with tools.mirror.git.objects() as objects:
            answers, left = settled(answers, locks, stopped, objects, standing)
    answers = second_look(answers, options.model, stopped.commit, work.upstream, tools)
    return replace(answers, resolutions=(*decided, *answers.resolutions)), taken_back, left


def _gone_on(work: Work, stop: Replay, answers: Answers, tools: Tools) -> Work:
    assert stop.stopped is not None  # noqa: S101 (the caller's case; for the type checker)
    replayed = resume(
        tools.mirror,
        stop.stopped,
        work.pending,
        work.head,
        answers.resolutions,
        tools.committer,
        empty=_empty(tools),
        watch=watch_of(tools.pipeline),
    )
    proposals = tuple(resolution.conflict.path for resolution in answers.proposals)
    return replace(
        advanced(work, replayed),
        resolved=(*work.resolved, *map(_path, answers.resolutions)),
        unconfirmed=tuple(dict.fromkeys((*work.unconfirmed, *proposals))),
        approve=tuple(dict.fromkeys((*work.approve, *answers.approve))),
    )


def _path(resolution: Resolution) -> ResolvedPath:
    conflict = resolution.conflict
    return ResolvedPath(
        path=conflict.path,
        commit=conflict.commit_id,
        rungs=tuple(answer.rung for answer in resolution.given),
        why=tuple(answer.why for answer in resolution.given),
        outside=resolution.outside,
        sha256=sha256(resolution.result).hexdigest() if resolution.stands_at else "",
        ranges=answered_ranges(resolution),
        conflict=fingerprint(conflict),
        marks=marks_of(resolution),
        whole=resolution.taken,
        stands_at=resolution.stands_at if resolution.stands_at != conflict.path else "",
        sides=(_side(conflict.base), _side(conflict.upstream), _side(conflict.commit)),
        kind=conflict.kind.value,
        approvals=tuple(answer.approval for answer in resolution.given),
        accounts=tuple(answer.account.to_json() for answer in resolution.given),
    )


def _fallback(options: ResolveOptions) -> Fallback:
    given = options.fallback
    return Fallback(
        hand_back=tuple(given.hand_back), upstream=tuple(given.upstream), commit=tuple(given.commit)
    )


def _taken_back(path: str) -> str:
    return f"{path} was answered just as before a person took that answer back, so a person must approve it"


def _side(version: Version | None) -> str:
    return version.path if version is not None else ""


def _empty(tools: Tools) -> str:
    """What the rebase stage of this pipeline does with empty commits; going on must do the same."""
    rebase = next((stage for stage in tools.pipeline.stages if stage.uses == "rebase"), None)
    return RebaseOptions.model_validate(rebase.options).empty if rebase else "drop"


def _policy(options: ResolveOptions, tools: Tools) -> Policy:
    """The repository's policy with the pipeline's own path rules on top."""
    paths = tools.policy.paths
    protected = paths.protected if options.protect is None else tuple(options.protect)
    never, ask = (*paths.never, *options.never), (*paths.ask, *options.ask)
    return replace(tools.policy, paths=replace(paths, never=never, ask=ask, protected=protected))


def _refuse_cancelled(tools: Tools) -> None:
    if tools.cancelled():
        raise Refused(Reason.CANCELLED, "the job was cancelled while conflicts were resolved")


def _handed_back(
    spec: StageSpec, work: Work, answers: Answers, policy: Policy, pipeline: Pipeline
) -> StageResult:
    unresolved = answers.unresolved
    first = unresolved[0].sentence
    more = f" (and {len(unresolved) - 1} more)" if len(unresolved) > 1 else ""
    sentence = f"commit {work.pending[0][:10]}: {first}{more}"
    return StageResult(
        stage=spec.id,
        result=Result.FAILURE,
        reason=Reason.UNRESOLVED_CONFLICTS,
        sentence=sentence,
        next_action="a person must resolve it: rebase by hand, then push; nothing was changed",
        evidence="conflicts",
        outputs={
            "unresolved": [{"path": u.conflict.path, "why": u.sentence, **_tried(u)} for u in unresolved]
        },
        question=_question(spec, sentence, answers, policy, pipeline),
    )


def _question(
    spec: StageSpec, sentence: str, answers: Answers, policy: Policy, pipeline: Pipeline
) -> Question | None:
    """Only `on_failure: hand_back` asks a person; everywhere else open conflicts end the job."""
    if spec.on_failure is not OnFailure.HAND_BACK:
        return None
    return open_question(sentence, answers, policy.paths, spec.id, last=bool(pipeline.last))


def _tried(unresolved: Unresolved) -> dict[str, object]:
    return {
        "kind": unresolved.conflict.kind.value,
        "tried": dict(unresolved.tried),
        "reasons": dict(unresolved.reasons),
        "accounts": {rung: account.to_json() for rung, account in unresolved.accounts.items()},
    }


def _resolved(stage: str, work: Work, standing: Standing) -> StageResult:
    rungs = sorted({rung for resolved in work.resolved for rung in resolved.rungs})
    paths = sorted({resolved.path for resolved in work.resolved})
    said = [f"resolved {', '.join(paths)} by {', '.join(rungs)}"] if paths else []
    said += [f"tests must confirm {', '.join(work.unconfirmed)}"] if work.unconfirmed else []
    said += [f"left as git merged it: {', '.join(sorted(standing.paths))}"] if standing.paths else []
    sentence = "; ".join(said) or "nothing conflicts"
    return StageResult(stage=stage, result=Result.SUCCESS, sentence=sentence)
