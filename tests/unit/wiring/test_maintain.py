"""What the relay says of its turn, and which days it was told to keep."""

import logging
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from flowforge.settings import Settings
from flowforge.store.maintenance import Maintained
from flowforge.store.retention import HISTORY, PARTITIONED, SPENDING, Retention
from flowforge.store.vacuum import Hint
from flowforge.wiring import maintain
from flowforge.wiring.maintain import retention_of, told, turn


class Nothing:
    """A database whose transactions give what is not looked at."""

    @contextmanager
    def transaction(self, *_words: Any, **_more: Any) -> Any:
        yield None


def settings(tmp_path: Path, **days: int) -> Settings:
    return Settings(data_dir=tmp_path, **days)  # type: ignore[arg-type]  # by the settings' own names


def test_the_days_are_those_of_the_settings(tmp_path: Path) -> None:
    given = {"event_days": 1, "log_days": 2, "execution_days": 3, "audit_days": 4, "text_days": 5}
    more = {"stage_days": 6, "push_days": 7, "usage_days": 8, "memory_days": 9}
    assert retention_of(settings(tmp_path, **given, **more)) == Retention(
        events=1, logs=2, executions=3, audit=4, texts=5, stages=6, pushes=7, usage=8, memory=9
    )


def test_what_stands_without_settings_is_one_thing_in_both_places(tmp_path: Path) -> None:
    assert retention_of(settings(tmp_path)) == Retention()


@pytest.mark.parametrize("table", [*HISTORY, *PARTITIONED, *SPENDING])
def test_every_table_that_is_kept_for_a_time_has_days(table: str) -> None:
    odd = Retention(**{field.name: number for number, field in enumerate(fields(Retention), 1)})
    assert odd.of(table) > 0


@pytest.mark.parametrize(
    ("stages", "texts", "days"), [(400, 90, 400), (30, 90, 90), (30, 30, 30), (0, 90, 0), (400, 0, 0)]
)
def test_stages_stay_for_as_long_as_a_job_can_be_retried_from_one(stages: int, texts: int, days: int) -> None:
    assert Retention(stages=stages, texts=texts).of("stage_runs") == days


def test_days_below_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="event_days"):
        settings(tmp_path, event_days=-1)


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (Maintained(), "nothing was due"),
        (Maintained(trouble=("x",)), "nothing was due"),
        (Maintained(made=("a", "b"), events=3, more=True), "made a b, events 3, more True"),
    ],
)
def test_a_turn_is_told_without_what_was_not_done(done: Maintained, words: str) -> None:
    assert told(done) == words


def test_the_relays_log_has_what_was_done_what_was_not_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = Maintained(events=3, trouble=("dropping partitions: a lock",))
    hint = Hint(table="jobs", code="dead_rows", sentence="half is dead", next_action="VACUUM jobs;")
    monkeypatch.setattr(maintain, "take_turn", lambda *_words: done)
    monkeypatch.setattr(maintain.vacuum, "look", lambda *_words: None)
    monkeypatch.setattr(maintain.vacuum, "hints", lambda _health: (hint,))
    with caplog.at_level(logging.INFO):
        assert turn(Nothing(), settings(tmp_path)) is done  # type: ignore[arg-type]  # it is not asked
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "maintenance of the database: dropping partitions: a lock"),
        ("INFO", "maintained the database: events 3"),
        ("WARNING", "the database, jobs: half is dead; VACUUM jobs;"),
    ]


def test_a_turn_that_another_relay_has_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(maintain, "take_turn", lambda *_words: None)
    with caplog.at_level(logging.DEBUG):
        assert turn(Nothing(), settings(tmp_path)) is None  # type: ignore[arg-type]  # it is not asked
    assert caplog.records == []
