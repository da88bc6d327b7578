"""Why a job waits, on a terminal of 80 columns."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from flowforge.api.models import WhyOut
from flowforge.cli.output import WIDTH
from flowforge.cli.waiting import folded, waiting

OTHER = UUID("01939d3c-7d4a-7c11-8000-000000000001")
WHY = WhyOut(
    code="ref_busy",
    sentence=f"job {OTHER} is writing 'feature', and only one job may at a time",
    changes="it runs when that job has ended, or is cancelled",
)


def test_the_code_the_sentence_and_what_would_change_it_are_shown() -> None:
    start = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)
    assert waiting(WHY, start) == [
        f"waits     ref_busy: job {OTHER} is writing",
        "          'feature', and only one job may at a time",
        "          it runs when that job has ended, or is cancelled",
        "starts    about 2026-11-23 12:05 UTC",
    ]


def test_a_start_that_nobody_knows_is_not_shown() -> None:
    assert not [line for line in waiting(WHY, None) if line.startswith("starts")]
    assert waiting(None, None) == []


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=30), min_size=1, max_size=40))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(words: list[str]) -> None:
    lines = folded("waits", " ".join(words))
    assert max(map(len, lines)) <= WIDTH
    assert " ".join(lines).split() == ["waits", *words]
