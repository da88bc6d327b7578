"""What a pipeline would make of a branch, found out for free: no command runs, no model is asked, nothing is pushed.

Clone, rebase and validate are the stages themselves, and conflicts climb the resolve stage's own ladder; only the
model stands aside and says so. After a commit that a person must resolve there is no result to go on from: later
commits are still looked at one by one where they change other files, since no answer can reach them; the rest are
named as not looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from flowforge.core.conflict import Abstain, Candidate, Conflict, Resolution, Unresolved
from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import Pipeline, StageResult, StageSpec
from flowforge.core.verdict import Finding, Verdict
from flowforge.git.changes import changes
from flowforge.git.mirror import Mirror
from flowforge.pipeline.context import ModelRung, Reviewer, SecondLook, Tools, Work
from flowforge.pipeline.mergedlocks import Standing
from flowforge.pipeline.options import ModelOptions, ResolveOptions, ReviewOptions
from flowforge.pipeline.progress import notes_of
from flowforge.pipeline.stages import clone, rebase, resolve, validate
from flowforge.resolve.answer import Look
from flowforge.resolve.ladder import Answers
from flowforge.resolve.prompt import Facts


class State(StrEnum):
    UP_TO_DATE = "up to date"
    CLEAN = "clean"
    ANSWERED = "answered"  # every conflict has an answer
    PERSON = "person"  # a person is needed


@dataclass(frozen=True, kw_only=True)
class HunkForecast:
    """One place that git cannot merge, and which rung would answer it."""

    line: int  # 1-based, in git's merged text; 0 = the whole path
    rung: str
    rule: str
    why: str
    confirmed: bool  # False: tests or a person must confirm it


@dataclass(frozen=True, kw_only=True)
class FileForecast:
    path: str
    kind: str
    hunks: tuple[HunkForecast, ...] = ()  # those that would be answered; empty where a person is needed
    person: str = ""  # why a person is needed
    tried: Mapping[str, str] = field(default_factory=dict)  # rung -> what it said


@dataclass(frozen=True, kw_only=True)
class CommitForecast:
    """A commit that conflicts. `by_itself`: it was looked at without an earlier commit that stays open."""

    commit: str
    subject: str
    files: tuple[FileForecast, ...]
    by_itself: bool = False


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run would do with one branch. `person` holds a sentence for each thing a person must do."""

    branch: str
    target: str
    state: State
    old_head: str = ""
    upstream: str = ""
    commits: int = 0  # that a rebase would replay
    conflicts: tuple[CommitForecast, ...] = ()
    person: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()  # commits that were not looked at: they build on what is open
    validation: str = ""  # what it says, or why it says nothing
    valid: bool | None = None  # None: there was nothing to validate, or no stage for it
    notes: tuple[str, ...] = ()

    @property
    def rungs(self) -> tuple[str, ...]:
        """Rungs that would answer something."""
        files = (file for commit in self.conflicts for file in commit.files)
        return tuple(sorted({hunk.rung for file in files for hunk in file.hunks}))


class Unrecorded:
    """The recorder of something that does not happen."""

    def stage_started(self, spec: StageSpec) -> None: ...
    def stage_finished(self, result: StageResult, work: Work) -> None: ...
    def log(self, stage: str, text: bytes) -> None: ...
    def event(self, kind: str, data: Mapping[str, object]) -> None: ...
    def resolved(
        self, stage: str, resolutions: Sequence[Resolution], open_: Sequence[Unresolved]
    ) -> None: ...
    def validated(self, stage: str, verdicts: Sequence[Verdict]) -> None: ...
    def scanned(self, findings: Sequence[Finding]) -> None: ...
    def push_intent(self, ref: str, old: str, new: str, backup: str = "") -> str:  # noqa: ARG002 (the port's names)
        return ""

    def push_settled(self, ref: str, new: str, outcome: str) -> None: ...
    def may_push(self) -> float:
        return 0.0

    def own_shas(self, ref: str) -> frozenset[str]:  # noqa: ARG002 (the Protocol's form)
        return frozenset()

    def backup(self, name: str, bundle: object) -> str:  # noqa: ARG002 (the Protocol's form)
        return ""


@dataclass(frozen=True, kw_only=True)
class Unasked:
    """Models that are configured and not asked, because asking costs money."""

    provider: str

    def rung(self, options: ModelOptions, look: Look) -> ModelRung:  # noqa: ARG002 (the Protocol's form)
        return _not_asked

    def second_look(self, options: ModelOptions) -> SecondLook:  # noqa: ARG002 (the Protocol's form)
        raise Refused(Reason.PIPELINE_INVALID, "a simulation looks at nothing with a model")

    def reviewer(self, options: ReviewOptions, line: str) -> Reviewer:  # noqa: ARG002 (the Protocol's form)
        raise Refused(Reason.PIPELINE_INVALID, "a simulation looks at nothing with a model")

    def cost(self, operation: str = "") -> None:
        """Nothing."""


def _not_asked(conflict: Conflict, facts: Facts) -> Candidate | Abstain:  # noqa: ARG001 (the Protocol's form)
    return Abstain(why="not_asked", sentence="a run would ask the model; a simulation never does")


def forecast(work: Work, tools: Tools) -> Forecast:
    """Look at one branch. `tools` should hold `Unrecorded` and `Unasked`.

    Raises:
        FlowForgeError: what clone and rebase raise: unrelated_histories, pipeline_invalid, cancelled, ...
    """
    cloned, work = clone.run(_spec(tools.pipeline, "clone"), work, tools)
    if not cloned.ok:
        return _forecast(work, person=(cloned.sentence,), validation="not reached")
    rebased, work = rebase.run(_spec(tools.pipeline, "rebase"), work, tools)
    work, found, person, unseen = _climbed(work, tools)
    current = rebased.reason is Reason.UP_TO_DATE
    checked = None if work.pending else _validated(work, tools)
    if checked is not None and not checked.ok:
        person = (*person, checked.sentence)
    person = (*person, *_open_decisions(work, tools.pipeline))
    return _forecast(
        work,
        current=current,
        commits=0 if current else _count(work),
        conflicts=found,
        person=person,
        unseen=unseen,
        validation=_said(checked, work),
        valid=checked.ok if checked else None,
        notes=(*notes_of(work.steps), *work.notes, *(() if current else _approvals(tools.pipeline))),
    )


def _forecast(work: Work, *, current: bool = False, **said: object) -> Forecast:
    if said["person"]:
        state = State.PERSON
    elif said.get("conflicts"):
        state = State.ANSWERED
    else:
        state = State.UP_TO_DATE if current else State.CLEAN
    return Forecast(
        branch=work.branch,
        target=work.target,
        state=state,
        old_head=work.old_head,
        upstream=work.upstream,
        **said,  # type: ignore[arg-type]  # fields of Forecast, named by `forecast`
    )


def _spec(pipeline: Pipeline, uses: str) -> StageSpec:
    """The pipeline's own stage, or one with every default."""
    found = next((stage for stage in pipeline.stages if stage.uses == uses), None)
    return found or StageSpec(id=uses, uses=uses)


def _has(pipeline: Pipeline, uses: str) -> bool:
    return any(stage.uses == uses for stage in pipeline.stages)


def _count(work: Work) -> int:
    return sum(step["new"] != "" for step in work.steps) + len(work.pending)


_Climbed = tuple[Work, tuple[CommitForecast, ...], tuple[str, ...], tuple[str, ...]]


def _climbed(work: Work, tools: Tools) -> _Climbed:
    """Go on as the resolve stage does, up to the first commit that stays open; then look at what it cannot reach."""
    spec = _spec(tools.pipeline, "resolve")
    options = ResolveOptions.model_validate(spec.options)
    if not _has(tools.pipeline, "resolve"):
        options = options.model_copy(update={"rungs": []})
    found: list[CommitForecast] = []
    standing = Standing()
    while work.pending:
        work, answers = resolve.one_commit(spec, work, tools, options, standing)
        found += _commits(answers)
        if answers.unresolved:
            later, unseen = _later(spec, work, tools, options, standing)
            open_ = [file.person for commit in (*found, *later) for file in commit.files if file.person]
            return work, (*found, *later), tuple(open_), unseen
    return work, tuple(found), (), ()


def _later(
    spec: StageSpec, work: Work, tools: Tools, options: ResolveOptions, standing: Standing
) -> tuple[tuple[CommitForecast, ...], tuple[str, ...]]:
    """Commits after an open one, each that changes none of its files; and those that nothing can be said of."""
    first, *rest = work.pending
    reached = _paths(tools.mirror, first)
    found: list[CommitForecast] = []
    unseen: list[str] = []
    for commit in rest:
        paths = _paths(tools.mirror, commit)
        if paths & reached:
            unseen.append(commit)
            reached |= paths
            continue
        after, answers = resolve.one_commit(spec, replace(work, pending=(commit,)), tools, options, standing)
        found += [replace(one, by_itself=True) for one in _commits(answers)]
        if answers.unresolved:
            reached |= paths
        else:
            work = after
    return tuple(found), tuple(unseen)


def _paths(mirror: Mirror, commit: str) -> set[bytes]:
    """What a commit changes; both names of a rename."""
    with mirror.git.objects() as objects:
        it = objects.commit(commit)
        base = objects.commit(it.parents[0]).tree if it.parents else ""
        return {change.path for change in changes(objects, base, it.tree)}


def _commits(answers: Answers) -> list[CommitForecast]:
    """The files of one conflicting commit, in one value; nothing where it did not conflict."""
    files = [*map(_answered, answers.resolutions), *map(_open, answers.unresolved)]
    if not files:
        return []
    conflict = (*(r.conflict for r in answers.resolutions), *(u.conflict for u in answers.unresolved))[0]
    ordered = tuple(sorted(files, key=lambda file: file.path))
    return [CommitForecast(commit=conflict.commit_id, subject=conflict.subject, files=ordered)]


def _answered(resolution: Resolution) -> FileForecast:
    lines = [hunk.line for hunk in resolution.conflict.hunks] if resolution.answers else [0]
    return FileForecast(
        path=resolution.conflict.path,
        kind=resolution.conflict.kind.value,
        hunks=tuple(
            HunkForecast(
                line=line,
                rung=answer.rung,
                rule=answer.rule,
                why=answer.why,
                confirmed=answer.confirmed,
            )
            for line, answer in zip(lines, resolution.given, strict=True)
        ),
    )


def _open(unresolved: Unresolved) -> FileForecast:
    return FileForecast(
        path=unresolved.conflict.path,
        kind=unresolved.conflict.kind.value,
        person=unresolved.sentence,
        tried=unresolved.tried,
    )


def _open_decisions(work: Work, pipeline: Pipeline) -> Sequence[str]:
    """What a push would still wait for."""
    wanted = []
    if work.approve:
        wanted.append(f"the pipeline wants a person to approve what is resolved in {', '.join(work.approve)}")
    if work.unconfirmed and not _has(pipeline, "test"):
        wanted.append(
            f"the answers for {', '.join(work.unconfirmed)} are proposals, and the pipeline has no test stage "
            "that could confirm them"
        )
    return wanted


def _approvals(pipeline: Pipeline) -> Sequence[str]:
    """A person's yes that a run waits for, whatever the branch is like."""
    named = [repr(stage.id) for stage in pipeline.stages if stage.uses == "approve"]
    return [f"a run waits for a person's yes in stage {' and '.join(named)}"] if named else []


def _validated(work: Work, tools: Tools) -> StageResult | None:
    if not _has(tools.pipeline, "validate"):
        return None
    return validate.run(_spec(tools.pipeline, "validate"), work, tools)[0]


def _said(checked: StageResult | None, work: Work) -> str:
    if checked is not None:
        return checked.sentence
    if work.pending:
        return "there is no result to validate"
    return "the pipeline has no validate stage"
