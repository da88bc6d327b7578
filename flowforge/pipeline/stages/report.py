"""report: say what was done, in words a person reads; in `finally`, so that every end is told."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from flowforge.core.account import Account
from flowforge.core.errors import FlowForgeError, Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import Pipeline, StageResult, StageSpec
from flowforge.core.plan import conclude, make_plan
from flowforge.core.verdict import Outcome
from flowforge.git.rangediff import range_diff
from flowforge.pipeline.context import ResolvedPath, Tools, Work
from flowforge.pipeline.reviewing import REVIEW
from flowforge.report.facts import (
    CommitLine,
    HunkLine,
    JobReport,
    OpenFile,
    RangeCounts,
    ResolvedFile,
    Review,
    StageLine,
)
from flowforge.report.review import review_from
from flowforge.report.summary import as_markdown, as_text

_MOST = 200  # commits whose range-diff is computed; it is quadratic in them


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    cost = tools.models.cost() if tools.models else None
    report = replace(make_report(work, tools.pipeline, tools.done, _compare(work, tools)), cost=cost)
    outputs = {"text": as_text(report), "markdown": as_markdown(report)}
    told = StageResult(stage=spec.id, result=Result.SUCCESS, sentence="wrote the report", outputs=outputs)
    return told, work


def make_report(
    work: Work, pipeline: Pipeline, done: tuple[StageResult, ...], compared: RangeCounts | None
) -> JobReport:
    """Everything that the stages said, as one value."""
    uses = {stage.id: stage.uses for stage in make_plan(pipeline).stages}
    tests = [result for result in done if uses.get(result.stage) == "test"]
    tested = work.tree != "" and work.tested_tree == work.tree
    open_ = () if tested else work.unconfirmed
    pushed = [r for r in done if uses.get(r.stage) == "push" and r.ok and r.reason is Reason.PUSHED]
    return JobReport(
        branch=work.branch,
        target=work.target,
        ending=conclude(make_plan(pipeline), done),
        old_head=work.old_head,
        new_head="" if work.pending else work.head,
        upstream=work.upstream,
        pushed=bool(pushed),
        moves=tuple(result.sentence for result in pushed),
        commits=tuple(map(_commit, work.steps)),
        range_diff=compared,
        resolved=tuple(
            ResolvedFile(
                path=one.path,
                hunks=tuple(
                    HunkLine(
                        rung=rung,
                        why=why,
                        confirmed=one.path not in open_,
                        approval=approval,
                        account=Account.from_json(account),
                    )
                    for rung, why, approval, account in _hunks(one)
                ),
            )
            for one in work.resolved
        ),
        unresolved=tuple(_open_files(done)),
        checks=_checks(done),
        tests=tuple(_line(result) for result in tests),
        reviews=tuple(reviews_of(done)),
        untested=() if tested else ("the result was not tested",),
        stages=tuple(_line(result) for result in done),
        notes=work.notes,
    )


def _hunks(one: ResolvedPath) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Rung, why, approval and account of each hunk; an older checkpoint knows only the first two."""
    approvals = one.approvals or ("",) * len(one.rungs)
    accounts: Sequence[Mapping[str, Any]] = one.accounts or ({},) * len(one.rungs)
    yield from zip(one.rungs, one.why, approvals, accounts, strict=True)


def _commit(step: Mapping[str, str]) -> CommitLine:
    """A step as a checkpoint kept it; a newer version may have noted more."""
    return CommitLine(**{field.name: step[field.name] for field in fields(CommitLine) if field.name in step})


def _line(result: StageResult) -> StageLine:
    return StageLine(
        name=result.stage, result=result.result.value, sentence=result.sentence, seconds=result.seconds
    )


def _open_files(done: tuple[StageResult, ...]) -> list[OpenFile]:
    rows: list[Mapping[str, Any]] = []
    for result in done:
        said = result.outputs.get("unresolved")
        rows += said if isinstance(said, list) else []
    return [
        OpenFile(
            path=row["path"],
            sentence=row["why"],
            tried=row["tried"],
            accounts={rung: Account.from_json(said) for rung, said in row.get("accounts", {}).items()},
        )
        for row in rows
    ]


def reviews_of(done: tuple[StageResult, ...]) -> Iterator[Review]:
    """What the review stages said, as their outputs keep it."""
    for result in done:
        said = result.outputs.get(REVIEW)
        if isinstance(said, dict):
            yield review_from(result.stage, said)


def _checks(done: tuple[StageResult, ...]) -> Mapping[Outcome, int]:
    counted: dict[Outcome, int] = {}
    for result in done:
        said = result.outputs.get("checks")
        for word, count in (said if isinstance(said, dict) else {}).items():
            counted[Outcome(word)] = counted.get(Outcome(word), 0) + count
    return counted


def _compare(work: Work, tools: Tools) -> RangeCounts | None:
    """The proof in numbers; a report without it is better than none."""
    if not work.old_head or work.head == work.old_head or work.pending or len(work.steps) > _MOST:
        return None
    try:
        compared = range_diff(tools.mirror, work.merge_base, work.old_head, work.upstream, work.head)
    except FlowForgeError as error:
        tools.recorder.log("report", f"no range-diff: {error.sentence}\n".encode())
        return None
    return count_pairs(work.steps, {pair.new for pair in compared.pairs if pair.status == "="})


def count_pairs(steps: Sequence[Mapping[str, str]], equal: Collection[str]) -> RangeCounts:
    """Which commit became which is known from the replay; range-diff says whose patch is the same as before.

    Its own pairing is a guess by similarity, and takes a small commit that was resolved for two.
    """
    kept = [step["new"] for step in steps if step["new"]]
    unchanged = sum(new in equal for new in kept)
    return RangeCounts(
        unchanged=unchanged, changed=len(kept) - unchanged, dropped=len(steps) - len(kept), added=0
    )
