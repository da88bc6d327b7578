import io
from collections.abc import Iterable
from typing import Any

import pytest
from rich.console import Console

from flowforge.cli.live import Happening, Screen, View, clock, draw, follow, progress, tell


def event(kind: str, at: float, **data: Any) -> Happening:
    return Happening(kind=kind, data=data, at=at)


RUN = [
    event("job.submit", 0.0, to="pending"),
    event("job.claim", 1.0, to="running", attempt=1, worker="w1"),
    event("stage.started", 1.5, stage="clone"),
    event("stage.finished", 3.0, stage="clone", result="success", seconds=1.5, sentence="fetched"),
    event("stage.started", 3.0, stage="rebase"),
    event("conflicts.resolved", 3.5, stage="rebase", resolved=[{}, {}], unresolved=[{}]),
]
END = event(
    "job.fail",
    9.0,
    to="failed",
    result="failure",
    reason="tests_failed",
    sentence="two tests fail",
    attempt=1,
)


def known(events: Iterable[Happening]) -> View:
    view = View(title="rebase feature onto main", began=0.0)
    for one in events:
        view = follow(view, one)
    return view


def drawn(view: View, now: float, *, width: int = 80, ascii_only: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, no_color=True, highlight=False)
    console.print(draw(view, now, ascii_only=ascii_only))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_events_fold_into_what_is_known() -> None:
    view = known(RUN)
    assert (view.state, view.attempt, view.worker) == ("running", 1, "w1")
    assert [(row.stage, row.result) for row in view.rows] == [("clone", "success"), ("rebase", "")]
    assert (view.answered, view.handed_back) == (2, 1)
    assert view.running is not None
    assert view.running.stage == "rebase"


def test_the_picture_shows_stages_times_and_progress() -> None:
    lines = drawn(known(RUN), 5.0).splitlines()
    assert lines[0] == "rebase feature onto main"
    assert lines[1].split() == ["✓", "clone", "1.5", "s", "fetched"]
    assert lines[2].split()[1:] == ["rebase", "2.0", "s"]
    assert lines[3].rstrip() == ("running · stage 2: rebase · conflicts: 2 answered, 1 for a person · 5.0 s")


def test_the_end_shows_the_reason_and_stops_the_clock() -> None:
    text = drawn(known([*RUN, END]), 500.0)
    assert "✗ failed" in text
    assert "9.0 s" in text
    assert "two tests fail" in text


def test_a_stage_under_way_when_the_job_left_running_is_not_shown_as_done() -> None:
    view = known([*RUN, event("job.hand_back", 6.0, to="queued", reason="lease_expired", sentence="silent")])
    assert [row.result for row in view.rows] == ["success", "unfinished"]
    assert view.ended is None
    again = known(
        [*RUN, event("job.hand_back", 6.0, to="queued"), event("stage.started", 8.0, stage="rebase")]
    )
    assert [(row.stage, row.result) for row in again.rows] == [("clone", "success"), ("rebase", "")]


def test_a_later_attempt_is_said() -> None:
    view = known([*RUN, event("job.claim", 8.0, to="running", attempt=2, worker="w2")])
    assert "attempt 2" in progress(view, 9.0)


def test_an_unknown_event_changes_nothing() -> None:
    view = known(RUN)
    assert follow(view, event("moon.landed", 7.0, stage="x")) == view


def test_a_stage_that_ends_without_having_begun_is_still_shown() -> None:
    view = known([event("stage.finished", 2.0, stage="report", result="success")])
    assert [(row.stage, row.result) for row in view.rows] == [("report", "success")]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = event("stage.finished", 4.0, stage="x" * 300, result="failure", seconds=1.0, sentence="y " * 400)
    assert max(map(len, drawn(known([*RUN, long, END]), 9.0, width=width).splitlines())) <= width


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert drawn(known([*RUN, END]), 9.0, ascii_only=True).isascii()


def test_what_a_stranger_wrote_cannot_move_the_cursor() -> None:
    nasty = event("stage.finished", 2.0, stage="a\x1b[2Jb", result="success", sentence="c\r\nd\x07")
    view = known([nasty])
    assert "\x1b" not in drawn(view, 3.0)
    assert "\n" not in tell(view, nasty)
    assert "\x07" not in drawn(view, 3.0)


def test_each_event_has_one_line_where_nothing_is_redrawn() -> None:
    view, lines = View(title="t", began=0.0), []
    for one in [*RUN, END]:
        view = follow(view, one)
        lines.append(tell(view, one).strip())
    assert lines == [
        "0.0 s  pending",
        "1.0 s  running",
        "1.5 s  clone ...",
        "3.0 s  clone: success (1.5 s)",
        "3.0 s  rebase ...",
        "",
        "9.0 s  failed: two tests fail",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1:00"), (125.7, "2:05"), (3605, "1:00:05")],
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def shown(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal, no_color=True, highlight=False)
    with Screen(console, "a title", now=lambda: 4.0) as screen:
        for one in [*RUN, END]:
            screen.show(one)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_lines_and_no_control_sequences() -> None:
    text = shown(terminal=False)
    assert text.splitlines()[0] == "a title"
    assert "clone: success (1.5 s)" in text
    assert "\x1b" not in text


def test_a_terminal_is_left_with_the_last_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = shown(terminal=True)
    assert "failed" in text.rsplit("a title", 1)[1]
    assert text.rstrip().endswith("\x1b[?25h"), "the cursor is given back"


def test_output_of_a_command_stands_above_the_picture_without_its_control_characters() -> None:
    console = Console(file=io.StringIO(), width=80, no_color=True, highlight=False)
    with Screen(console, "a title", now=lambda: 4.0) as screen:
        screen.log("one\x1b[2J\ntwo\n")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == ["a title", "one [2J", "two"]
