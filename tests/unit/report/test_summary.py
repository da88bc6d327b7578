import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Result
from flowforge.core.verdict import Finding, Level, Outcome
from flowforge.report.facts import (
    CommitLine,
    HunkLine,
    JobReport,
    ModelCost,
    OpenFile,
    RangeCounts,
    ResolvedFile,
    Review,
    ReviewFinding,
    StageLine,
)
from flowforge.report.sections import MAX_ROWS, headline, range_line, sections
from flowforge.report.summary import MAX_TEXT, as_markdown, as_text, code_span, escaped, visible

GOLDEN = Path(__file__).parents[2] / "golden" / "report"

PUSHED = JobReport(
    branch="feature/limits",
    target="main",
    ending=Ending(
        result=Result.SUCCESS, reason=Reason.PUSHED, sentence="rebased feature/limits onto main and pushed it"
    ),
    old_head="a" * 40,
    new_head="b" * 40,
    upstream="c" * 40,
    pushed=True,
    commits=(
        CommitLine(
            original="1" * 40, new="2" * 40, disposition="replayed", subject="Read limits from a file"
        ),
        CommitLine(
            original="3" * 40, new="4" * 40, disposition="resolved", subject="Check limits before a call"
        ),
        CommitLine(original="5" * 40, new="", disposition="dropped_upstream", subject="Fix a spelling"),
        CommitLine(
            original="6" * 40,
            new="",
            disposition="dropped_merge",
            subject="Merge main",
            note="its parents are there",
        ),
    ),
    range_diff=RangeCounts(unchanged=7, changed=1, dropped=2),
    resolved=(
        ResolvedFile(
            path="src/limits.py",
            hunks=(
                HunkLine(
                    rung="structural", why="both sides add an import; the lines do not touch each other"
                ),
                HunkLine(
                    rung="model",
                    why="upstream raised the count, the commit added a wait | kept: count 5; wait=1",
                    confirmed=False,
                ),
            ),
        ),
    ),
    checks={Outcome.PASS: 9, Outcome.SKIP: 2},
    findings=(
        Finding(
            rule="S113", level=Level.WARNING, message="call without a timeout", path="src/limits.py", start=41
        ),
    ),
    tests=(StageLine(name="test (python=3.12)", result="success", seconds=41.25),),
    untested=("the result was tested with Python 3.12 only",),
    stages=(
        StageLine(name="clone", result="success", seconds=0.42),
        StageLine(name="rebase", result="success", seconds=0.03),
        StageLine(name="resolve", result="success", seconds=2.2),
    ),
    cost=ModelCost(
        provider="anthropic", model="claude-sonnet-5-5", calls=3, cached=1, usd=Decimal("0.031415")
    ),
    undo="flowforge job undo 0192f3a1",
    notes=("git's own merge was clean in 4 files",),
)

HANDED_BACK = JobReport(
    branch="feature/limits",
    target="main",
    ending=Ending(
        result=Result.FAILURE,
        reason=Reason.UNRESOLVED_CONFLICTS,
        sentence="one conflict needs a person",
        next_action="resolve src/money.py by hand, push, and start the job again",
        evidence="conflicts",
    ),
    old_head="a" * 40,
    unresolved=(
        OpenFile(
            path="src/money.py",
            sentence="'src/money.py' was changed on both sides and no rung could answer its one place (from line"
            " 12 of git's merged text): a person must decide",
            tried={
                "structural": "both sides changed the function 'total'",
                "model": "the model gave no answer: the two intents exclude each other",
            },
        ),
    ),
    cost=ModelCost(provider="scripted", model="scripted", calls=2, cached=0, usd=Decimal(0), scripted=True),
)

REVIEWED = JobReport(
    branch="feature/limits",
    target="main",
    ending=Ending(result=Result.SUCCESS, reason=Reason.DONE, sentence="every stage ended well"),
    old_head="a" * 40,
    new_head="a" * 40,
    reviews=(
        Review(
            stage="review",
            model="claude-sonnet-5-5",
            usd="0.0214",
            files=3,
            lines=120,
            findings=(
                ReviewFinding(
                    path="src/limits.py",
                    start=41,
                    end=44,
                    level="error",
                    rule="review/security",
                    message="A name from the request becomes part of a path.",
                    why="`../` in it leads out of the folder, @admin's files included.",
                    suggestion="Compare the resolved path with the folder.",
                ),
                ReviewFinding(
                    path="src/<b>.py",
                    start=7,
                    end=7,
                    level="note",
                    rule="review/quality",
                    message="The name `ok` says the contrary of what it holds.",
                ),
            ),
            left_out={"outside": 2, "verdict": 1},
            unseen={
                "a lockfile": ("uv.lock",),
                "generated or foreign": tuple(f"gen/{n}.py" for n in range(12)),
            },
            stopped="a model call may cost up to $0.09, and $0.07 of the budget 'review of the job' ($0.50) is left",
        ),
    ),
)
SEEN_NOTHING = replace(REVIEWED, reviews=(Review(stage="review", stopped="no model is configured"),))

REWRITTEN = JobReport(
    branch="feature/limits",
    target="main",
    ending=Ending(result=Result.SUCCESS, reason=Reason.DONE, sentence="every stage ended well"),
    old_head="a" * 40,
    new_head="b" * 40,
    commits=(
        CommitLine(original="1" * 40, new="2" * 40, disposition="rewritten", subject="Use a parser"),
        CommitLine(original="3" * 40, new="4" * 40, disposition="replayed", subject="Use a printer"),
    ),
    resolved=(
        ResolvedFile(
            path="Cargo.lock",
            hunks=(
                HunkLine(
                    rung="lockfile",
                    why="cargo wrote it anew from the merged manifest: 7 packages, each as one of the sides has it;"
                    " git had merged it as text, without a conflict",
                    confirmed=False,
                ),
            ),
        ),
    ),
    notes=(
        "git merged 'web/go.sum' as text, and it was not written anew: 'go' is not installed where commands run",
    ),
)

CASES = {
    "pushed": PUSHED,
    "rewritten": REWRITTEN,
    "handed_back": HANDED_BACK,
    "reviewed": REVIEWED,
    "unreviewed": SEEN_NOTHING,
}


@pytest.mark.parametrize("name", CASES)
def test_the_texts_are_the_golden_ones(name: str) -> None:
    assert as_text(CASES[name]) == (GOLDEN / f"{name}.txt").read_text()
    assert as_markdown(CASES[name]) == (GOLDEN / f"{name}.md").read_text()


def test_a_review_that_lists_nothing_says_so_and_nothing_more() -> None:
    nothing = replace(REVIEWED.reviews[0], findings=(), left_out={}, unseen={}, stopped="")
    text = " ".join(as_text(replace(REVIEWED, reviews=(nothing,))).split())
    assert "It listed nothing." in text
    assert "What is not listed is not thereby right." in text
    for word in ("safe", "approved", "passed", "no problems", "clean"):
        assert word not in text


@pytest.mark.parametrize("model", ["<b>x</b>", "[x](https://e.example)", "a\x1b[2Jb", "`x`\n# y"], ids=ascii)
def test_the_name_of_a_model_is_text_in_a_title_too(model: str) -> None:
    report = replace(REVIEWED, reviews=(replace(REVIEWED.reviews[0], model=model),))
    page = re.sub(r"\\.", "", as_markdown(report))  # without what a page does not take as it is meant
    (title,) = [line for line in page.splitlines() if line.startswith("### Review")]
    assert not any(mark in title for mark in ("<b", "](", "\x1b", "`"))
    assert "\n# y" not in page
    assert all(char.isprintable() or char == "\n" for char in as_text(report))


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("report", CASES.values(), ids=CASES)
def test_no_line_is_wider_than_the_terminal(report: JobReport, width: int) -> None:
    long = replace(report, notes=("x" * 500, "wörter " * 90, "a/very/long/path/" * 20))
    assert max(map(len, as_text(long, width).splitlines())) <= width


def test_the_first_line_says_how_it_ended() -> None:
    assert as_text(PUSHED).splitlines()[0] == "Done: rebased feature/limits onto main and pushed it"
    assert headline(HANDED_BACK) == "Not done: one conflict needs a person"


@pytest.mark.parametrize("result", Result)
def test_every_result_has_a_word(result: Result) -> None:
    ending = Ending(result=result, reason=Reason.DONE, sentence="")
    report = JobReport(branch="b", target="t", ending=ending)
    assert headline(report).endswith(": b onto t")


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        (RangeCounts(unchanged=7, changed=1), "7 commits unchanged, 1 changed"),
        (RangeCounts(unchanged=1), "1 commit unchanged"),
        (RangeCounts(changed=1, dropped=2), "1 commit changed, 2 left out"),
        (RangeCounts(added=1), "1 commit added"),
        (RangeCounts(), "no commits"),
    ],
)
def test_the_range_diff_is_one_line(counts: RangeCounts, line: str) -> None:
    assert range_line(counts) == line


def test_what_was_not_tested_is_said() -> None:
    assert "Not tested: no test stage ran." in as_text(HANDED_BACK)
    assert "\n  the result was tested with Python 3.12 only\n" in as_text(PUSHED)


def test_that_nothing_was_tested_is_said_once() -> None:
    assert as_text(replace(HANDED_BACK, untested=("the result was not tested",))).count("tested") == 1


def test_what_was_not_pushed_is_said() -> None:
    assert "The branch was not changed." in as_text(HANDED_BACK)
    assert "Not pushed. The result is bbbbbbbbbb." in as_text(replace(PUSHED, pushed=False))


def test_a_proposal_is_called_one() -> None:
    assert "a proposal that tests or a person must confirm" in " ".join(as_text(PUSHED).split())
    sure = replace(PUSHED, resolved=(ResolvedFile(path="a", hunks=(HunkLine(rung="memory", why="w"),)),))
    assert "proposal" not in as_text(sure)


def test_a_script_is_never_taken_for_a_model() -> None:
    assert "The answers came from a script: no model was asked, nothing was spent." in as_text(HANDED_BACK)
    assert "$" not in as_text(HANDED_BACK)


def test_cost_and_undo_are_shown() -> None:
    text = as_text(PUSHED, 120)
    assert "3 calls to anthropic (claude-sonnet-5-5), 1 of them answered from store: $0.0314." in text
    assert text.endswith("To undo\n  flowforge job undo 0192f3a1\n")


def test_tokens_and_what_was_saved_are_shown_where_they_are_known() -> None:
    cost = PUSHED.cost
    assert cost is not None
    whole = replace(PUSHED, cost=replace(cost, tokens=12_345, saved=Decimal("0.0102")))
    assert (
        "3 calls to anthropic (claude-sonnet-5-5), 1 of them answered from store, which saved $0.0102, 12,345 tokens: "
        "$0.0314."
    ) in as_text(whole, 200)


def test_findings_that_were_there_before_come_last_and_say_so() -> None:
    old = Finding(rule="S1", level=Level.ERROR, message="old", path="a", introduced=False)
    new = Finding(rule="S2", level=Level.NOTE, message="new", path="a")
    (section,) = (s for s in sections(replace(PUSHED, findings=(old, new))) if s.title == "Checks")
    assert [row.text for row in section.rows[1:]] == ["note S2: new", "error S1: old"]
    assert section.rows[2].more == ("it was there before",)


def test_empty_parts_are_left_out() -> None:
    titles = [section.title for section in sections(HANDED_BACK)]
    assert titles == ["What was done", "What to do next", "Conflicts for a person", "Tests", "Model"]


def test_long_lists_are_counted() -> None:
    commits = tuple(replace(PUSHED.commits[0], subject=f"c{n}") for n in range(MAX_ROWS + 5))
    assert "  and 5 more\n" in as_text(replace(PUSHED, commits=commits))


HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",
    "a\u202eb",
    "zero\u200bwidth",
    "line\r\nover",
    "\u009b31m",
    "\u2028",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_report_moves_the_cursor_or_hides(text: str) -> None:
    report = replace(
        PUSHED,
        branch=text,
        commits=(replace(PUSHED.commits[0], subject=text),),
        resolved=(ResolvedFile(path=text, hunks=(HunkLine(rung="model", why=text),)),),
        unresolved=(OpenFile(path=text, sentence=text, tried={text: text}),),
    )
    for shown in (as_text(report), as_markdown(report)):
        assert all(char.isprintable() or char == "\n" for char in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[x](https://evil)", r"\[x\](https:<!-- -->//evil)"),
        ("![x](y)", r"!\[x\](y)"),
        ("<img src=x>", r"\<img src=x\>"),
        ("ping @owner and #12", "ping @<!-- -->owner and #<!-- -->12"),
        ("me@example.org", "me@<!-- -->example.org"),
        ("see www.example.org", "see www.<!-- -->example.org"),
        ("GH-12", "GH-<!-- -->12"),
        ("**bold** `code` a_b_c ~~x~~", r"\*\*bold\*\* \`code\` a\_b\_c \~\~x\~\~"),
        ("# heading", r"\# heading"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("a | b", r"a \| b"),
        ("&lt;", r"\&lt;"),
        ("back\\slash", r"back\\slash"),
        ("plain - text, 3 (really).", "plain - text, 3 (really)."),
    ],
)
def test_nothing_in_a_page_becomes_markup(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize(
    ("text", "span"),
    [("a.py", "`a.py`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("", ""), ("a``b`", "``` a``b` ```")],
)
def test_a_path_cannot_end_its_code_span(text: str, span: str) -> None:
    assert code_span(text) == span


def test_sentences_are_bounded() -> None:
    assert len(visible("x" * 5000)) == MAX_TEXT
    assert visible("x" * 5000).endswith("…")
