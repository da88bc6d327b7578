"""What a waiting job asks, on a terminal of 80 columns."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.api.control_models import AskedFileOut, CheckOut, OutlookOut, QuestionOut, RefMoveOut
from flowforge.cli.output import WIDTH
from flowforge.cli.question import commands, described_question, write_text
from flowforge.core.decision import QuestionKind, Verb
from flowforge.core.errors import Refused

JOB = UUID("01939d3c-7d4a-7c11-8000-000000000001")
AT = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)
OUTLOOK = OutlookOut(
    target="main",
    upstream="b" * 40,
    head="c" * 40,
    commits=2,
    moves=[
        RefMoveOut(ref="refs/heads/topic", old="a" * 40, new="c" * 40),
        RefMoveOut(ref="refs/heads/copy", old="", new="c" * 40),
    ],
    changed=["a.py", "b.py"],
    changed_count=2,
    checks=[CheckOut(stage="test", result="success", sentence="12 passed")],
)


def file(path: str = "a.py", *, open_: bool = False, result: str | None = "text\n") -> AskedFileOut:
    return AskedFileOut(
        path=path,
        commit="d" * 40,
        kind="content",
        open=open_,
        protected=False,
        sentence="",
        hunks=[],
        base=None,
        upstream=None,
        mine=None,
        result=result,
    )


def asked(*files: AskedFileOut, **changes: object) -> QuestionOut:
    values: dict[str, object] = {
        "number": 1,
        "kind": QuestionKind.APPROVE,
        "stage": "approve",
        "sentence": "Is this urgent?",
        "tree": "t" * 40,
        "files": list(files),
        "answers": [Verb.APPROVE, Verb.REJECT],
        "who": "user",
        "outlook": OUTLOOK,
        "asked_at": AT,
        "expires_at": AT.replace(hour=18),
        "decision": None,
        "decided_by": None,
        "decided_at": None,
    }
    return QuestionOut.model_validate({**values, **changes})


def test_a_question_shows_what_a_yes_would_do_and_how_to_say_it() -> None:
    assert described_question(JOB, asked(who="maintainer")) == [
        "question 1, of stage approve",
        "  Is this urgent?",
        "  asked     2026-11-23 12:05 UTC",
        "  until     2026-11-23 18:05 UTC; undecided the job ends then",
        "  who       maintainer or higher may approve it; anybody may reject it",
        "  push      topic, from aaaaaaaaaa to cccccccccc",
        "  push      copy, made at cccccccccc",
        "  result    cccccccccc, 2 commits on main at bbbbbbbbbb",
        "  changes   a.py, b.py (2 files)",
        "  test      success: 12 passed",
        "answers",
        f"  flowforge job approve {JOB}",
        f"  flowforge job reject {JOB}",
    ]


@pytest.mark.parametrize(
    ("question", "verbs"),
    [
        (asked(), ["approve", "reject"]),
        (asked(file(), answers=["approve", "edit", "reject"]), ["question", "approve", "edit", "reject"]),
        (asked(answers=["approve", "edit", "reject"]), ["approve", "reject"]),
        (asked(file(open_=True), answers=["edit", "reject"]), ["question", "edit", "reject"]),
    ],
)
def test_only_commands_that_can_be_given_are_shown(question: QuestionOut, verbs: list[str]) -> None:
    assert [line.split()[2] for line in commands(JOB, question)] == verbs


def test_a_decided_question_offers_nothing() -> None:
    lines = described_question(JOB, asked(decision=Verb.REJECT))
    assert "  decided   reject" in lines
    assert "answers" not in lines


def test_many_changed_paths_are_counted() -> None:
    outlook = OUTLOOK.model_copy(update={"changed": [f"{n}.py" for n in range(50)], "changed_count": 70})
    text = " ".join(" ".join(described_question(JOB, asked(outlook=outlook))).split())
    assert "7.py and 62 more (70 files)" in text


@given(sentence=st.lists(st.text("abcdefgh", min_size=1, max_size=30), min_size=1, max_size=40))
def test_no_line_is_wider_than_the_terminal(sentence: list[str]) -> None:
    lines = described_question(JOB, asked(sentence=" ".join(sentence)))
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("path", ["../a.py", "/etc/a.py", "b/../../a.py"])
def test_a_path_that_leads_out_of_the_folder_is_not_written(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "inner"
    with pytest.raises(Refused, match="leads out of"):
        write_text(folder, file(path))
    assert not list(tmp_path.rglob("a.py"))


def test_a_text_is_written_where_its_path_says(tmp_path: Path) -> None:
    write_text(tmp_path, file("src/a.py"))
    write_text(tmp_path, file("none.bin", result=None))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.py"]
    assert (tmp_path / "src/a.py").read_text() == "text\n"
