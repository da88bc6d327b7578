"""push: move one ref of the remote, once, from exactly what was seen to exactly what was proven."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from flowforge.core.decision import RefMove
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec, from_error
from flowforge.git.bundle import write_bundle
from flowforge.git.mirror import check_ref
from flowforge.git.push import PushOutcome, push
from flowforge.hooks.contracts import PushPlan
from flowforge.pipeline.asking import approval
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.options import PushOptions
from flowforge.pipeline.progress import count_of


@dataclass(frozen=True, kw_only=True)
class Destination:
    ref: str
    old: str  # what the remote must have there now; zeros: nothing
    require: str  # tested | validated


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    destination = choose_destination(spec, work)
    refuse_unfinished(work)
    if work.head == destination.old:
        return _nothing(spec.id, destination), work
    refuse_unproven(destination.require, work)
    _refuse_rewriting_target(destination, work, tools)
    sentence = wanted_decision(work, tools.told.approved)
    if sentence:
        return _asks(spec.id, sentence, destination, work, tools), work
    _ask_gate(destination, work, tools)
    backup = _keep_old_tip(destination, work, tools)
    landed = tools.recorder.push_intent(destination.ref, destination.old, work.head, backup)
    outcome = PushOutcome(status="already", tip=landed) if landed else _pushed(destination, work, tools)
    return told(spec.id, destination, work, outcome), work


def _pushed(destination: Destination, work: Work, tools: Tools) -> PushOutcome:
    outcome = push(
        tools.mirror,
        ref=destination.ref,
        old=destination.old,
        new=work.head,
        own=tools.recorder.own_shas(destination.ref),
        may_send=tools.recorder.may_push,
    )
    tools.recorder.push_settled(destination.ref, work.head, outcome.status)
    return outcome


def choose_destination(spec: StageSpec, work: Work) -> Destination:
    """Which ref moves, from where, and what must be proven first. The target is only ever fast-forwarded."""
    options = PushOptions.model_validate(spec.options)
    require = options.require or "validated"
    if options.to == "target":
        return Destination(ref=f"refs/heads/{work.target}", old=work.upstream, require=require)
    if options.to == "new-branch":
        name = check_ref(options.branch or f"flowforge/{work.branch}")
        return Destination(ref=f"refs/heads/{name}", old="0" * len(work.head), require=require)
    return Destination(ref=f"refs/heads/{work.branch}", old=work.old_head, require=require)


def move_of(destination: Destination, work: Work) -> RefMove:
    """What the push would do, for a person to see."""
    return RefMove(
        ref=destination.ref, old=destination.old if destination.old.strip("0") else "", new=work.head
    )


def refuse_unfinished(work: Work) -> None:
    """Half a branch is no result, even where its head happens to be what the remote has already."""
    if work.pending:
        raise Refused(
            Reason.UNRESOLVED_CONFLICTS,
            f"the branch is not replayed to its end: {count_of(len(work.pending), 'commit')} left",
            next_action="resolve the conflicts first",
        )


def refuse_unproven(require: str, work: Work) -> None:
    """The pushed tree is the tested tree; where the pipeline asks for less, it is the validated one."""
    if require == "tested" and work.tested_tree != work.tree:
        raise Refused(
            Reason.NOT_TESTED,
            "the tree that would be pushed was not tested",
            next_action="add a test stage before push, or say `require: validated`",
        )
    if work.tree not in {work.tested_tree, work.validated_tree}:
        raise Refused(
            Reason.NOT_VALIDATED,
            "the tree that would be pushed was not validated",
            next_action="add a validate stage before push",
        )


def wanted_decision(work: Work, approved: Collection[str]) -> str:
    """Why a person must agree to this very tree before it is pushed; "" where nobody need, or somebody has."""
    if work.tree in approved:
        return ""
    if work.approve:
        return f"the pipeline wants a person to approve what was resolved in {', '.join(work.approve)}{_because(work)}"
    if work.unconfirmed and work.tested_tree != work.tree:
        return f"the answers for {', '.join(work.unconfirmed)} are proposals, and no test has confirmed them"
    return ""


def _because(work: Work) -> str:
    """What the answers themselves say of it, the first of each path."""
    said = {
        one.path: next(filter(None, one.approvals), "") for one in work.resolved if one.path in work.approve
    }
    return "".join(f"; {path}: {why}" for path, why in said.items() if why)


def _asks(stage: str, sentence: str, destination: Destination, work: Work, tools: Tools) -> StageResult:
    advice = "look at the resolution, then push it by hand, or take the path out of `ask`"
    if not work.approve:
        advice = "add a test stage before push, or let a person decide"
    refused = Refused(Reason.DECISION_NEEDED, sentence, next_action=advice, evidence="conflicts")
    return replace(
        from_error(stage, refused), question=approval(sentence, work, tools, [move_of(destination, work)])
    )


def _refuse_rewriting_target(destination: Destination, work: Work, tools: Tools) -> None:
    """A lease alone would let a branch that was never rebased replace the target's own commits."""
    if destination.ref != f"refs/heads/{work.target}":
        return
    if tools.mirror.merge_base(work.upstream, work.head) != work.upstream:
        raise Refused(
            Reason.PIPELINE_INVALID,
            f"{work.branch} does not stand on {work.target}'s tip, so {work.target} cannot be fast-forwarded to it",
            next_action="let the rebase stage run before this push",
        )


def _ask_gate(destination: Destination, work: Work, tools: Tools) -> None:
    veto = tools.registry.gate(
        PushPlan(
            repository=tools.mirror.url,
            ref=destination.ref,
            old=destination.old,
            new=work.head,
            tree=work.tree,
            commits=sum(step["new"] != "" for step in work.steps),
            resolved_paths=[resolved.path for resolved in work.resolved],
        )
    )
    if veto:
        raise Refused(Reason.VETOED, veto, next_action="ask whoever runs the plugin that said so")


def _keep_old_tip(destination: Destination, work: Work, tools: Tools) -> str:
    """Bundle what the ref points to now: after the push nobody else may have it. A target only gains commits.

    The reference of the bundle; "" where none is needed.
    """
    if destination.old != work.old_head:
        return ""
    bundle = tools.workspace / "before-push.bundle"
    write_bundle(tools.mirror, {destination.ref: destination.old}, [work.merge_base], bundle)
    return tools.recorder.backup("before-push", bundle)


def _nothing(stage: str, destination: Destination) -> StageResult:
    short = destination.ref.removeprefix("refs/heads/")
    return StageResult(
        stage=stage,
        result=Result.SUCCESS,
        reason=Reason.UP_TO_DATE,
        sentence=f"{short} is already where it should be; nothing was pushed",
    )


def told(stage: str, destination: Destination, work: Work, outcome: PushOutcome) -> StageResult:
    """The outcome in words; an unknown one is asked again by a retry, never assumed."""
    short = destination.ref.removeprefix("refs/heads/")
    match outcome.status:
        case "pushed" | "already":
            return _landed(stage, short, destination, work, outcome.tip)
        case "moved":
            raise _moved(short, destination, outcome.tip)
        case "rejected":
            raise outcome.error or Refused(
                Reason.PUSH_REJECTED,
                f"the remote refused the push of {short}: {outcome.detail}",
                next_action="look at the remote's branch protection and hooks",
                evidence=outcome.detail,
            )
        case _:
            raise Temporary(
                Reason.REPOSITORY_UNREACHABLE,
                f"the remote did not say whether it took the push of {short}",
                delay=10,
                next_action="FlowForge asks the remote again by itself",
            )


def _landed(stage: str, short: str, destination: Destination, work: Work, tip: str) -> StageResult:
    """What the remote has now; where an earlier attempt of this job had pushed, that may be another commit."""
    verb = f"moved from {destination.old[:10]} to" if destination.old.strip("0") else "was made at"
    outputs = {"ref": destination.ref, "old": destination.old, "new": tip}
    how = "by an earlier attempt of this job"
    if tip == work.head:
        how = "tested" if work.tested_tree == work.tree else "validated, not tested"
        outputs["tree"] = work.tree
    return StageResult(
        stage=stage,
        result=Result.SUCCESS,
        reason=Reason.PUSHED,
        sentence=f"{short} {verb} {tip[:10]} ({how})",
        outputs=outputs,
    )


def _moved(short: str, destination: Destination, tip: str) -> Refused:
    if not destination.old.strip("0"):
        return Refused(
            Reason.REMOTE_MOVED,
            f"{short} is there already, at {tip[:10] or 'an unknown commit'}; nothing was pushed",
            next_action="delete that branch, or name another one: with: {branch: NAME}",
        )
    where = f"moved to {tip[:10]}" if tip else "was moved or removed"
    return Refused(
        Reason.REMOTE_MOVED,
        f"{short} {where} while this job ran; nothing was pushed",
        next_action="submit again: the new commits will be rebased too",
    )
