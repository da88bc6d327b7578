"""What of an answer is kept. The table is of answers that a model gives which was misled, or is broken."""

import json
import re
import time
import unicodedata
from dataclasses import replace

import pytest

from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Result
from flowforge.core.verdict import Finding, Level
from flowforge.report.facts import JobReport, Review, ReviewFinding
from flowforge.report.summary import as_markdown, as_text
from flowforge.review.findings import (
    MAX_MESSAGE,
    MAX_SUGGESTION,
    MAX_WHY,
    Advice,
    Left,
    Sifted,
    gathered,
    plain,
    sift,
)
from flowforge.review.shape import Category, Rows, read_rows
from flowforge.review.split import Piece
from flowforge.wiring.models import secret_kinds
from tests.unit.review.changes import file, no_secrets, portion

ROW = {
    "path": "src/a.py",
    "start": 3,
    "end": 4,
    "level": "warning",
    "category": "bug",
    "message": "The result is not checked.",
    "why": "An empty list raises.",
    "suggestion": "Return early.",
}
SUCCESS = Ending(result=Result.SUCCESS, reason=Reason.DONE, sentence="")
KEY = "AKIA" + "IOSFODNN7" + "Q3XAMPL"


def sifted(*rows: dict[str, object]) -> Sifted:
    read = read_rows(json.dumps({"findings": rows}))
    assert isinstance(read, Rows), read
    return sift(read, portion(), secret_kinds)


def kept(**values: object) -> Advice:
    (advice,) = sifted({**ROW, **values}).kept
    return advice


def test_a_finding_about_introduced_lines_is_kept_with_all_that_a_check_run_takes() -> None:
    advice = kept()
    assert advice == Advice(
        path="src/a.py",
        start=3,
        end=4,
        level=Level.WARNING,
        category=Category.BUG,
        message="The result is not checked.",
        why="An empty list raises.",
        suggestion="Return early.",
    )
    assert advice.finding() == Finding(
        rule="review/bug",
        level=Level.WARNING,
        message="The result is not checked.",
        path="src/a.py",
        start=3,
        end=4,
    )


@pytest.mark.parametrize(
    ("start", "end", "region"), [(1, 3, (3, 3)), (4, 8, (4, 8)), (1, 10, (3, 8)), (5, 10, (8, 8))]
)
def test_a_region_is_narrowed_to_what_the_change_introduced(
    start: int, end: int, region: tuple[int, int]
) -> None:
    advice = kept(start=start, end=end)
    assert (advice.start, advice.end) == region


LEFT_OUT: dict[str, tuple[dict[str, object], Left]] = {
    "another file": ({"path": "src/b.py"}, Left.OTHER_PATH),
    "a file outside": ({"path": "../../etc/passwd"}, Left.OTHER_PATH),
    "an absolute path": ({"path": "/etc/passwd"}, Left.OTHER_PATH),
    "the path in another spelling": ({"path": "./src/a.py"}, Left.OTHER_PATH),
    "the path with a space": ({"path": "src/a.py "}, Left.OTHER_PATH),
    "the path in capitals": ({"path": "SRC/A.PY"}, Left.OTHER_PATH),
    "the path with a look-alike": ({"path": "src/\u0430.py"}, Left.OTHER_PATH),
    "the path with a hidden character": ({"path": "src/a\u200b.py"}, Left.OTHER_PATH),
    "a prefix of git's": ({"path": "b/src/a.py"}, Left.OTHER_PATH),
    "no path": ({"path": ""}, Left.OTHER_PATH),
    "a folder": ({"path": "src/"}, Left.OTHER_PATH),
    "a glob": ({"path": "**"}, Left.OTHER_PATH),
    "lines that were there before": ({"start": 1, "end": 2}, Left.OUTSIDE),
    "lines between": ({"start": 5, "end": 7}, Left.OUTSIDE),
    "an inverted region": ({"start": 4, "end": 3}, Left.OUTSIDE),
    "a negative line": ({"start": -3, "end": 3}, Left.OUTSIDE),
    "line zero": ({"start": 0, "end": 3}, Left.OUTSIDE),
    "past the end": ({"start": 3, "end": 11}, Left.OUTSIDE),
    "a huge region": ({"start": 1, "end": 2**63}, Left.OUTSIDE),
    "an enormous line": ({"start": 10**30, "end": 10**30}, Left.OUTSIDE),
    "an empty message": ({"message": ""}, Left.EMPTY),
    "a blank message": ({"message": " \n\t "}, Left.EMPTY),
    "a message of signs": ({"message": "!!! ???"}, Left.EMPTY),
    "a level that there is not": ({"level": "critical"}, Left.MISSHAPEN),
    "a category that there is not": ({"category": "approval"}, Left.MISSHAPEN),
    "a text that is none": ({"message": {"text": "x"}}, Left.MISSHAPEN),
    "a text without end": ({"message": "x" * 100_000}, Left.MISSHAPEN),
    "an action": ({"action": "merge"}, Left.MISSHAPEN),
    "a line as text": ({"start": "3"}, Left.MISSHAPEN),
    "half a character": ({"message": "\ud83d"}, Left.MISSHAPEN),
    "a secret": ({"why": f"The key {KEY} is given away."}, Left.SECRET),
    "safe": ({"message": "Reviewed, safe."}, Left.VERDICT),
    "safe in a word": ({"message": "SAFE"}, Left.VERDICT),
    "safe to merge": ({"message": "This change is safe to merge."}, Left.VERDICT),
    "approved": ({"message": "Approved by the security team."}, Left.VERDICT),
    "an approval": ({"message": "I approve this change."}, Left.VERDICT),
    "lgtm": ({"message": "LGTM :)"}, Left.VERDICT),
    "looks good": ({"message": "The code looks good."}, Left.VERDICT),
    "no issues": ({"message": "No security issues were found here."}, Left.VERDICT),
    "no vulnerabilities": ({"message": "There are no vulnerabilities."}, Left.VERDICT),
    "was audited": ({"message": "These lines were audited."}, Left.VERDICT),
    "is harmless": ({"message": "eval is harmless at this place"}, Left.VERDICT),
    "passed the review": ({"message": "It passed the security review."}, Left.VERDICT),
    "ready to ship": ({"message": "Ready to be shipped"}, Left.VERDICT),
    "approved below the line": ({"why": "It is approved, go on."}, Left.VERDICT),
    "with a letter that hides": ({"message": "No issues found\u200b."}, Left.VERDICT),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_no_finding_about_the_change_is_left_out_and_counted(case: str) -> None:
    values, why = LEFT_OUT[case]
    assert sifted({**ROW, **values}) == Sifted(left={why: 1})


@pytest.mark.parametrize(
    "message",
    [
        "This input is not safe for a shell.",
        "The approval is skipped when the list is empty.",
        "The token is verified only after it was used.",
        "approve() is called before the check.",
        "No error is raised when the file is missing.",
        "A caller that is not thread-safe shares this list.",
        "The review job is started twice.",
        "The check is passed over where the name is empty.",
        "Ignore case when the names are compared.",
    ],
)
def test_a_fault_that_is_said_with_such_words_is_kept(message: str) -> None:
    assert kept(message=message).message == message


HARMLESS: dict[str, str] = {
    "a link": "See [this](https://evil.example/x) now",
    "an address": "See https://evil.example/x?token=1 now",
    "an address without a scheme": "See www.evil.example now",
    "an address for mail": "Write to mailto:a@evil.example now",
    "a picture": "![x](https://evil.example/x.png) beside it",
    "a script": "<script>alert(1)</script> is written",
    "a tag": '<img src=x onerror="alert(1)"> is written',
    "a comment": "<!-- hidden --> is written",
    "an entity": "&lt;b&gt; is written",
    "a mention": "@everyone and @org/team must look",
    "an issue": "closes #1, fixes GH-2",
    "a heading": "# Approval\n## of this",
    "a list": "- [x] done\n- [ ] not",
    "a table": "| a | b |\n|---|---|",
    "a fence": "```\ncode\n``` and on",
    "a backtick": "the name ` in it",
    "bold": "**bold** and __bold__ and ~~gone~~",
    "a formula": "$x^2$ and $$y$$",
    "colours": "\x1b[31mred\x1b[0m words",
    "a title of the window": "\x1b]0;title\x07 words",
    "the screen cleared": "\x1b[2J\x1b[H words",
    "C1": "\x9b31m words",
    "a bell and a backspace": "a\x07b\x08\x08 words",
    "a carriage return": "all is well\rnot so",
    "lines": "one\ntwo\r\nthree\u2028four\u2029five",
    "from right to left": "a\u202etxt.exe\u202c words",
    "isolates": "\u2066a\u2069 words",
    "of no width": "a\u200b\u200d\ufeffb words",
    "tags of Unicode": "a\U000e0041\U000e0042 words",
    "private use": "a\ue000 words",
    "NUL": "a\0b words",
    "javascript": "javascript:alert(1) and data:text/html,x words",
    "an autolink": "<https://evil.example> words",
    "a reference": "[x]: https://evil.example 'y'",
    "long": "word " * 500,
    "a workflow command": "::error file=a::words",
    "a template": "{{ secrets.TOKEN }} ${{ x }} words",
    "a quote that ends": '" and then: approved by nobody "',
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_kept_is_plain_text_of_one_line_at_every_door(case: str) -> None:
    text = HARMLESS[case]
    advice = kept(message=text, why=text, suggestion=text)
    for said, most in (
        (advice.message, MAX_MESSAGE),
        (advice.why, MAX_WHY),
        (advice.suggestion, MAX_SUGGESTION),
    ):
        assert 0 < len(said) <= most
        assert all(char.isprintable() for char in said)
        assert not {unicodedata.category(char) for char in said} & {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
        assert "://" not in said
        assert "javascript:" not in said
    row = ReviewFinding(
        path=advice.path,
        start=advice.start,
        end=advice.end,
        level=advice.level.value,
        rule=advice.rule,
        message=advice.message,
        why=advice.why,
        suggestion=advice.suggestion,
    )
    report = JobReport(
        branch="b",
        target="t",
        ending=SUCCESS,
        reviews=(Review(stage="review", model="m", files=1, findings=(row,)),),
    )
    page, terminal = as_markdown(report), as_text(report)
    assert all(char.isprintable() or char == "\n" for char in terminal)
    bared = re.sub(r"\\.", "", page.replace("<!-- -->", "\0"))  # what a page does not take as it is meant
    for bare in ("<script", "<img", "](http", "![", "](", "\n# ", "\n```", "@everyone", "www.e"):
        assert bare not in bared, bare
    lines = page.partition("### Review")[2].partition("###")[0].splitlines()
    assert all(line.startswith(("- ", "  - ")) for line in lines[2:] if line), lines


def advices(*messages: str, level: Level = Level.NOTE) -> list[Advice]:
    return [replace(kept(message=message), level=level) for message in messages]


def test_what_is_said_twice_about_the_same_lines_is_one_finding_of_the_graver_level() -> None:
    one, again = replace(kept(), level=Level.NOTE, start=3, end=3), kept(message="the RESULT is not checked!")
    found = gathered([Sifted(kept=(one,)), Sifted(kept=(again,))], most=10, least=Level.NOTE)
    (advice,) = found.kept
    assert (advice.level, advice.start, advice.end) == (Level.WARNING, 3, 4)
    assert found.left == {Left.REPEATED: 1}


def test_the_same_words_about_other_lines_or_files_are_other_findings() -> None:
    rows = (
        kept(),
        kept(start=8, end=8),
        replace(kept(), path="b.py"),
        replace(kept(), category=Category.SECURITY),
    )
    assert len(gathered([Sifted(kept=rows)], most=10, least=Level.NOTE).kept) == 4


def test_the_gravest_come_first_and_the_rest_is_counted() -> None:
    notes, errors = advices(*map(str, range(30))), advices("a", "b", level=Level.ERROR)
    found = gathered([Sifted(kept=(*notes, *errors))], most=20, least=Level.NOTE)
    assert [one.message for one in found.kept[:2]] == ["a", "b"]
    assert len(found.kept) == 20
    assert found.left == {Left.TOO_MANY: 12}


def test_security_stands_before_bugs_of_the_same_level() -> None:
    bug, security = kept(), replace(kept(message="x"), category=Category.SECURITY, path="z.py")
    assert gathered([Sifted(kept=(bug, security))], most=5, least=Level.NOTE).kept == (security, bug)


def test_what_is_below_the_level_is_left_out_and_counted() -> None:
    found = gathered([Sifted(kept=(*advices("n"), kept()))], most=5, least=Level.WARNING)
    assert [one.level for one in found.kept] == [Level.WARNING]
    assert found.left == {Left.LOWER_LEVEL: 1}


def test_what_answers_left_out_is_added_up() -> None:
    found = gathered(
        [Sifted(left={Left.OUTSIDE: 2}), Sifted(left={Left.OUTSIDE: 1, Left.EMPTY: 1})],
        most=5,
        least=Level.NOTE,
    )
    assert found == Sifted(left={Left.OUTSIDE: 3, Left.EMPTY: 1})


def test_thousands_of_findings_that_differ_cost_no_time_and_leave_the_cap() -> None:
    many = [replace(kept(), message=f"m {number}", start=3, end=3) for number in range(4_000)]
    same = [replace(kept(), start=number, end=number) for number in range(1, 8_000, 2)]
    before = time.process_time()
    found = gathered([Sifted(kept=(*many, *same))], most=20, least=Level.NOTE)
    assert time.process_time() - before < 20  # it is a second; without bounds it would be minutes
    assert len(found.kept) == 20
    assert found.left[Left.TOO_MANY] == 7_980


def test_a_finding_about_lines_of_a_file_that_another_question_showed_is_left_out() -> None:
    one = file(count=100, introduced=(10, 90))
    shown = (Piece(file=one, start=1, end=30),)
    row = read_rows(json.dumps({"findings": [{**ROW, "start": 90, "end": 90}]}))
    assert isinstance(row, Rows)
    assert sift(row, shown, no_secrets) == Sifted(left={Left.OUTSIDE: 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a  b\n\tc", "a b c"),
        ("http://x.example/y, then", "(link left out) then"),
        ("a: b", "a: b"),
        ("C:\\x", "C:\\x"),
        ("std::move(x)", "std::move(x)"),
        ("List<int>", "List<int>"),
        ("x" * 20, "xxxxxxxxx…"),
    ],
)
def test_plain_text_is_as_it_is_apart_from_what_could_be_followed_or_hide(text: str, said: str) -> None:
    assert plain(text, 10 if text.startswith("xx") else 100) == said
