"""The conflicts of a job as a person reads them."""

from flowforge.api.models import AccountOut, ConflictOut, HunkOut
from flowforge.cli.conflicts import described_conflicts


def one(*hunks: HunkOut, resolved: bool = True) -> ConflictOut:
    return ConflictOut(
        path="src/a.py",
        kind="content",
        resolved=resolved,
        method="model" if resolved else "",
        sentence="" if resolved else "both changed it",
        commit="c" * 40,
        stage="resolve",
        model="",
        hunks=list(hunks),
    )


def test_no_conflict_is_said() -> None:
    assert described_conflicts([]) == ["no conflicts"]


def test_an_answer_says_who_why_and_what_is_known_of_it() -> None:
    account = AccountOut(
        model="m1",
        prompt_version="resolve-2",
        prompt_hash="f" * 64,
        findings=["hunk 0 holds a conflict marker"],
        agreement="2 of 2 answers agree",
        review="accept: fits",
        elsewhere=["b.py calls it"],
    )
    text = "\n".join(
        described_conflicts(
            [one(HunkOut(rung="model", why="both fit", approval="it needs edits", account=account))]
        )
    )
    assert text.startswith("src/a.py (content, commit cccccccccc): by model")
    for part in (
        *("both fit", "a person must agree: it needs edits", "model m1, prompt resolve-2 ffffffffff"),
        *("an earlier answer was refused: hunk 0 holds a conflict marker", "2 of 2 answers agree"),
        *("review: accept: fits", "needed elsewhere: b.py calls it"),
    ):
        assert part in " ".join(text.split()), part


def test_what_was_handed_back_says_what_was_tried_and_shows_both_answers() -> None:
    account = AccountOut(answers=["merged: a", "upstream: b"])
    hunk = HunkOut(rung="model", why="they differ", reason="no_agreement", account=account)
    text = " ".join("\n".join(described_conflicts([one(hunk, resolved=False)])).split())
    assert "for a person" in text
    assert "they differ (no_agreement)" in text
    assert "answer 1: merged: a answer 2: upstream: b" in text


def test_nothing_of_an_answer_moves_the_cursor() -> None:
    hunk = HunkOut(rung="model", why="\x1b[2J\x07", account=AccountOut(elsewhere=["\x1b]0;x\x07"]))
    assert not {"\x07", "\x1b"} & set("".join(described_conflicts([one(hunk)])))
