"""From facts to what is said, in order, before it is known where it will be shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flowforge.core.account import Account
from flowforge.core.job import Result
from flowforge.core.verdict import Level, Outcome
from flowforge.report.facts import (
    CommitLine,
    JobReport,
    OpenFile,
    RangeCounts,
    ResolvedFile,
    Review,
    StageLine,
)

MAX_ROWS: Final = 40  # of one section; the rest is counted
SHORT: Final = 10  # characters of a commit id that are shown


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing said. `code` is shown as it is (a path, an id), `text` is a sentence, `more` are its details."""

    code: str = ""
    text: str = ""
    more: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    title: str
    rows: tuple[Row, ...]


_WORDS: Final = {
    Result.SUCCESS: "Done",
    Result.SKIP: "Nothing to do",
    Result.FAILURE: "Not done",
    Result.ERROR: "Stopped by an error",
    Result.TIMEOUT: "Out of time",
    Result.CANCELLATION: "Cancelled",
}

_FATES: Final = {
    "replayed": "replayed",
    "unchanged": "left as it was",
    "resolved": "replayed with resolved conflicts",
    "rewritten": "replayed without a conflict, with files written anew",
    "kept_empty": "kept, though it changes nothing now",
    "dropped_merge": "left out: a merge commit",
    "dropped_empty": "left out: it changes nothing any more",
    "dropped_upstream": "left out: upstream has it already",
}


_LEFT_OUT: Final = {
    "misshapen": "of the wrong shape",
    "other_path": "about a file that was not shown",
    "outside": "about lines that the change did not introduce",
    "empty": "without a word",
    "verdict": "that named no fault but gave a verdict",
    "secret": "with what looks like a secret",
    "repeated": "said twice",
    "lower_level": "below the level that is shown",
    "too_many": "beyond the number that is shown",
}
MAX_PATHS: Final = 10  # of one reason for not being looked at


def headline(report: JobReport) -> str:
    """The one sentence to read if only one is read."""
    return f"{_WORDS[report.ending.result]}: {sentence_of(report)}"


def sentence_of(report: JobReport) -> str:
    return report.ending.sentence or f"{report.branch} onto {report.target}"


def sections(report: JobReport) -> tuple[Section, ...]:
    """All sections that have something to say."""
    made = (
        Section(title="What was done", rows=tuple(_done(report))),
        Section(title="What to do next", rows=tuple(_next(report))),
        Section(title="Commits", rows=_bounded([_commit(line) for line in report.commits])),
        Section(title="Conflicts that were resolved", rows=_bounded([_file(f) for f in report.resolved])),
        Section(title="Edits needed elsewhere", rows=_bounded(list(_elsewhere(report)))),
        Section(title="Conflicts for a person", rows=_bounded([_open(f) for f in report.unresolved])),
        Section(title="Checks", rows=tuple(_checks(report))),
        Section(title="Tests", rows=tuple(_tests(report))),
        *map(review_section, report.reviews),
        Section(title="Stages", rows=tuple(_stage(line) for line in report.stages)),
        Section(title="Notes", rows=_bounded([Row(text=note) for note in report.notes])),
        Section(title="Model", rows=tuple(_cost(report))),
        Section(title="To undo", rows=(Row(code=report.undo),) if report.undo else ()),
    )
    return tuple(section for section in made if section.rows)


def range_line(counts: RangeCounts) -> str:
    """The range-diff in one line, e.g. "7 commits unchanged, 1 changed"."""
    parts = [(counts.unchanged, "unchanged"), (counts.changed, "changed")]
    parts += [(counts.dropped, "left out"), (counts.added, "added")]
    told = [(number, word) for number, word in parts if number]
    if not told:
        return "no commits"
    (number, word), *rest = told
    first = f"{_count(number, 'commit')} {word}"
    return ", ".join([first, *(f"{number} {word}" for number, word in rest)])


def _done(report: JobReport) -> Iterator[Row]:
    where = f"{report.branch} onto {report.target}"
    if report.upstream:
        where += f" at {report.upstream[:SHORT]}"
    yield Row(text=where)
    if report.range_diff is not None:
        yield Row(text=f"Compared with the branch before: {range_line(report.range_diff)}.")
    if report.pushed and report.moves:
        yield from (Row(text=f"Pushed: {sentence}.") for sentence in report.moves)
    elif report.pushed:
        yield Row(text=f"Pushed: {report.old_head[:SHORT]} became {report.new_head[:SHORT]}.")
    elif report.new_head and report.new_head != report.old_head:
        yield Row(text=f"Not pushed. The result is {report.new_head[:SHORT]}.")
    elif not report.pushed:
        yield Row(text="The branch was not changed.")


def _next(report: JobReport) -> Iterator[Row]:
    if report.ending.next_action:
        yield Row(text=report.ending.next_action)
    if report.ending.evidence:
        yield Row(text=f"Evidence: {report.ending.evidence}")


def _commit(line: CommitLine) -> Row:
    fate = _FATES.get(line.disposition, line.disposition.replace("_", " "))
    return Row(
        code=line.original[:SHORT],
        text=line.subject,
        more=(f"{fate}{f' ({line.note})' if line.note else ''}",) if line.disposition != "replayed" else (),
    )


def _file(file: ResolvedFile) -> Row:
    rungs = ", ".join(dict.fromkeys(hunk.rung for hunk in file.hunks))
    proposal = any(not hunk.confirmed for hunk in file.hunks)
    text = f"by {rungs}{', a proposal that tests or a person must confirm' if proposal else ''}"
    numbered = len(file.hunks) > 1
    why: list[str] = []
    for number, hunk in enumerate(file.hunks, start=1):
        why.append(f"{f'place {number}, {hunk.rung}: ' if numbered else ''}{hunk.why}")
        why += [f"a person must agree: {hunk.approval}"] if hunk.approval else []
        why += told(hunk.account)
    return Row(code=file.path, text=text, more=tuple(why))


def _elsewhere(report: JobReport) -> Iterator[Row]:
    """What no answer can do, since it may only fill its hunk: a list to work off."""
    for file in report.resolved:
        for needed in dict.fromkeys(one for hunk in file.hunks for one in hunk.account.elsewhere):
            yield Row(code=file.path, text=needed)


def _open(file: OpenFile) -> Row:
    return Row(
        code=file.path,
        text=file.sentence,
        more=(
            *(f"{rung}: {said}" for rung, said in file.tried.items()),
            *(line for account in file.accounts.values() for line in told(account)),
        ),
    )


def told(account: Account) -> list[str]:
    """What is known of a model's answer and does not stand in its sentence already."""
    lines = [f"model {account.model}, prompt {account.prompt_version} {account.prompt_hash[:SHORT]}"]
    lines = lines if account.model else []
    lines += [f"not sent: {', '.join(account.redacted)}"] if account.redacted else []
    lines += [f"an earlier answer was refused: {finding}" for finding in account.findings]
    lines += [account.agreement] if account.agreement else []
    lines += [f"review: {account.review}"] if account.review else []
    return [*lines, *(f"answer {number}: {text}" for number, text in enumerate(account.answers, start=1))]


def _checks(report: JobReport) -> Iterator[Row]:
    total = sum(report.checks.values())
    if total:
        words = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.ERROR: "could not run"}
        parts = [f"{report.checks[kind]} {word}" for kind, word in words.items() if report.checks.get(kind)]
        skipped = report.checks.get(Outcome.SKIP, 0)
        parts += [f"{skipped} did not apply"] if skipped else []
        yield Row(text=f"{_count(total, 'check')}: {', '.join(parts)}.")
    order = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}
    found = sorted(report.findings, key=lambda one: (not one.introduced, order[one.level]))
    yield from _bounded(
        [
            Row(
                code=f"{one.path}:{one.start}",
                text=f"{one.level.value} {one.rule}: {one.message}",
                more=() if one.introduced else ("it was there before",),
            )
            for one in found
        ]
    )


def _tests(report: JobReport) -> Iterator[Row]:
    yield from (_stage(line) for line in report.tests)
    if not report.tests:
        yield Row(text="Not tested: no test stage ran.")
    else:
        yield from (Row(text=what) for what in report.untested)


def review_section(review: Review) -> Section:
    return Section(title=_review_title(review), rows=tuple(_review(review)))


def _review_title(review: Review) -> str:
    if not review.model:
        return "Review (advisory): nothing was looked at"
    if review.scripted:
        return "Review (advisory, by a script: no model was asked)"
    return f"Review (advisory, by {review.model}, ${review.usd})"


def _review(review: Review) -> Iterator[Row]:
    """What is said is a stranger's; it is never summed up, and least of all as a change being right."""
    if review.files:
        said = f"{_count(review.lines, 'introduced line')} of {_count(review.files, 'file')}"
        yield Row(
            text=f"A {'script' if review.scripted else 'model'}'s words on {said}: advice, perhaps wrong or misled by what it read. "
            "What is not listed is not thereby right."
        )
    if review.files and not review.findings:
        yield Row(text="It listed nothing.")
    for one in review.findings:
        where = f"{one.start}" if one.end == one.start else f"{one.start}-{one.end}"
        suggestion = f"suggestion: {one.suggestion}" if one.suggestion else ""
        yield Row(
            code=f"{one.path}:{where}",
            text=f'{one.level} {one.rule.removeprefix("review/")}: "{one.message}"',
            more=tuple(text for text in (one.why, suggestion) if text),
        )
    for why, number in review.left_out.items():
        yield Row(text=f"Left out: {_count(number, 'finding')} {_LEFT_OUT.get(why, why)}.")
    if review.stopped:
        yield Row(text=f"{'Not all' if review.files else 'Nothing'} was looked at: {review.stopped}.")
    for why, paths in review.unseen.items():
        yield from (Row(code=path, text=f"not looked at: {why}") for path in paths[:MAX_PATHS])
        if len(paths) > MAX_PATHS:
            yield Row(text=f"and {len(paths) - MAX_PATHS} more not looked at: {why}")


def _stage(line: StageLine) -> Row:
    took = f" in {line.seconds:.{1 if line.seconds >= 1 else 2}f} s" if line.seconds else ""
    told = f": {line.sentence}" if line.sentence else ""
    return Row(code=line.name, text=f"{line.result}{took}{told}")


def _cost(report: JobReport) -> Iterator[Row]:
    cost = report.cost
    if cost is None:
        return
    if cost.scripted:
        yield Row(text="The answers came from a script: no model was asked, nothing was spent.")
        return
    tokens = f", {cost.tokens:,} tokens" if cost.tokens else ""
    stored = f", {cost.cached} of them answered from store" if cost.cached else ""
    saved = f", which saved ${cost.saved:.4f}" if cost.saved else ""
    yield Row(
        text=f"{_count(cost.calls, 'call')} to {cost.provider} ({cost.model}){stored}{saved}{tokens}: "
        f"${cost.usd:.4f}."
    )


def _bounded(rows: list[Row]) -> tuple[Row, ...]:
    if len(rows) <= MAX_ROWS:
        return tuple(rows)
    return (*rows[:MAX_ROWS], Row(text=f"and {len(rows) - MAX_ROWS} more"))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
