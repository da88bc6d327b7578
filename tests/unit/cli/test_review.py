"""What `flowforge job show` tells of a review."""

import pytest

from flowforge.cli.output import WIDTH
from flowforge.cli.review import reviews_in
from flowforge.report.facts import Review, ReviewFinding
from flowforge.report.review import review_as_json

HOSTILE = "\x1b[2J\x1b]0;t\x07 \u202ebidi [x](https://e.example) <b>" + "word " * 60
FINDING = ReviewFinding(
    path="a\x1b[31m.py",
    start=1,
    end=2,
    level="error",
    rule="review/bug",
    message=HOSTILE,
    why=HOSTILE,
    suggestion=HOSTILE,
)


def shown(*reviews: Review) -> str:
    outputs = {one.stage: {"review": review_as_json(one)} for one in reviews}
    return "\n".join(reviews_in(outputs))


def test_a_finding_is_told_with_its_place_and_what_was_not_looked_at() -> None:
    finding = ReviewFinding(
        path="a.py", start=3, end=4, level="note", rule="review/quality", message="Twice the same."
    )
    text = shown(
        Review(
            stage="review",
            model="m",
            usd="0.0100",
            files=1,
            lines=2,
            findings=(finding,),
            unseen={"binary": ("b.png",)},
        )
    )
    assert text.splitlines()[0] == "Review (advisory, by m, $0.0100)"
    assert '  a.py:3-4  note quality: "Twice the same."' in text
    assert "  b.png  not looked at: binary" in text


def test_nothing_that_a_stranger_wrote_moves_the_cursor_or_is_wider_than_the_page() -> None:
    text = shown(
        Review(stage="review", model="m\x1b[2J", files=1, findings=(FINDING,), unseen={"\x1bwhy": ("\x1bp",)})
    )
    assert all(char.isprintable() or char == "\n" for char in text)
    assert max(map(len, text.splitlines())) <= WIDTH


def test_every_review_of_a_job_is_told() -> None:
    text = shown(Review(stage="one", stopped="no model is configured"), Review(stage="two", model="m"))
    assert text.count("Review (advisory") == 2
    assert "Nothing was looked at: no model is configured." in text


@pytest.mark.parametrize(
    "outputs", [{}, {"clone": {}}, {"x": {"review": "text"}}, {"x": "text"}, {"x": None}]
)
def test_other_outputs_are_no_reviews(outputs: dict[str, object]) -> None:
    assert list(reviews_in(outputs)) == []
