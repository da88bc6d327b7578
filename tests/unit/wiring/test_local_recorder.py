"""The recorder of a run without a service: told at once, whole, and with what the job asks for again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Broken
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.pipeline.context import Recorder, Work
from flowforge.wiring.local import LocalRecorder

Told = list[tuple[str, Mapping[str, Any]]]
WORK = Work(branch="topic", target="main")


def recorder(told: Told, backups: Path = Path("/nowhere")) -> LocalRecorder:
    return LocalRecorder(tell=lambda kind, data: told.append((kind, data)), backups=backups)


def logged(told: Told, stage: str) -> str:
    return "".join(str(data["text"]) for kind, data in told if kind == "log" and data["stage"] == stage)


def test_it_is_the_recorder_that_stages_are_written_against() -> None:
    made: Recorder = recorder([])
    made.stage_started(StageSpec(id="a", uses="clone"))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(min_value=1, max_value=5))
def test_a_character_in_two_pieces_is_one_character(text: str, size: int) -> None:
    told: Told = []
    made, raw = recorder(told), text.encode()
    for start in range(0, len(raw), size):
        made.log("test", raw[start : start + size])
        made.log("other", b".")
    made.stage_finished(StageResult(stage="test", result=Result.SUCCESS), WORK)
    assert logged(told, "test") == text
    assert told[-1][0] == "stage.finished"


def test_half_a_character_at_the_end_is_shown_as_one_that_cannot_be_read() -> None:
    told: Told = []
    made = recorder(told)
    made.log("test", b"a\xe2\x82")
    made.stage_finished(StageResult(stage="test", result=Result.SUCCESS), WORK)
    assert logged(told, "test") == "a\ufffd"


def test_a_job_knows_its_own_pushes_by_ref() -> None:
    made = recorder([])
    made.push_intent("refs/heads/a", "0", "1")
    made.push_intent("refs/heads/a", "0", "2")
    made.push_intent("refs/heads/b", "0", "3")
    assert made.own_shas("refs/heads/a") == {"1", "2"}
    assert made.own_shas("refs/heads/c") == frozenset()


def test_backups_have_names_of_their_own_and_are_private(tmp_path: Path) -> None:
    made = recorder([], tmp_path / "backups")
    kept = []
    for text in ("one", "two"):
        (tmp_path / "x.bundle").write_text(text)
        kept.append(Path(made.backup("before-push", tmp_path / "x.bundle")))
        assert not (tmp_path / "x.bundle").exists()
    assert [path.read_text() for path in kept] == ["one", "two"]
    assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_hold_them_is_an_error_of_the_house(tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("a file stands here")
    (tmp_path / "x.bundle").write_text("x")
    with pytest.raises(Broken, match="could not be kept"):
        recorder([], tmp_path / "backups").backup("before-push", tmp_path / "x.bundle")
