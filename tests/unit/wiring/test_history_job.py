"""What comes of the process that counts a history, seen from the worker: its errors, and its deaths."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.git.command import Door
from flowforge.git.mirror import open_mirror
from flowforge.pipeline.calibrating import Measured, Wish
from flowforge.pipeline.stages.calibrate import told
from flowforge.wiring.history_job import StoredCalibration
from flowforge.wiring.history_task import raised, refusal
from tests.gitrepo import Repository

AGAIN = Temporary(Reason.NO_SPACE, "no room", delay=7.0, next_action="make room")


@pytest.mark.parametrize(
    "error",
    [
        Refused(Reason.REPOSITORY_MISSING, "not there", next_action="look"),
        Broken(Reason.CONFIGURATION, "no git", next_action="install it"),
        AGAIN,
    ],
)
def test_an_error_is_the_same_on_both_sides(error: FlowForgeError) -> None:
    again = raised(refusal(error))
    assert type(again) is type(error)
    assert (again.reason, again.sentence, again.next_action) == (
        error.reason,
        error.sentence,
        error.next_action,
    )
    assert getattr(again, "delay", None) == getattr(error, "delay", None)


def measured(folder: Path, *, tip: str = "", cancelled: bool = False) -> tuple[Any, list[int]]:
    """What a calibration of a small repository comes to, or raises."""
    remote = Repository(folder / "remote.git")
    remote.commit({"README": "x\n"}, branch="main")
    heard: list[int] = []
    (folder / "work").mkdir()
    calibration = StoredCalibration(
        wish=Wish(),
        job=SimpleNamespace(id="j"),  # type: ignore[arg-type]  # only named in a line of the log
        url=remote.url,
        plugins=(),
        recorder=None,  # type: ignore[arg-type]  # not asked: nothing is kept or set
        artifacts=None,  # type: ignore[arg-type]  # the same
        vault=None,  # type: ignore[arg-type]  # the same
        cancelled=lambda: cancelled,
    )
    with open_mirror(folder / "mirrors", remote.url, Door(protocols=frozenset({"file"}))) as mirror:
        found = mirror.fetch_all(["main"])["main"]
        return calibration.measure(mirror, "main", tip or found, folder / "work", heard.append), heard


def test_a_history_without_a_merge_is_counted_as_such(tmp_path: Path) -> None:
    found, heard = measured(tmp_path)
    assert (found.merges, found.files, found.actions, heard) == (0, 0, {}, [])
    assert found.page.read_text().startswith("<!doctype html>")
    assert not (tmp_path / "work" / "scratch").exists()


def test_a_process_that_dies_is_asked_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Temporary, match="ended with status 1") as died:
        measured(tmp_path)
    assert died.value.reason is Reason.INFRASTRUCTURE


def test_what_it_is_refused_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(FlowForgeError) as refused:
        measured(tmp_path, tip="f" * 40)  # no such commit
    assert "calibration" not in refused.value.sentence
    assert refused.value.reason is not Reason.INTERNAL_ERROR


def test_a_cancel_is_heard(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        measured(tmp_path, cancelled=True)
    assert refused.value.reason is Reason.CANCELLED


def test_a_policy_that_costs_more_is_not_set_and_the_sentence_says_so() -> None:
    values = {
        "merges": 20,
        "files": 30,
        "paths": 0,
        "head": "a",
        "actions": {"act": 2, "off": 1},
        "policy": {},
    }
    paths = {"report": Path("r"), "page": Path("p")}
    worse = Measured(**values, **paths, own=1.25, shipped=1.0)  # type: ignore[arg-type]  # a test's own
    assert not worse.better
    assert "the policy was not set" in told(worse, asked=True)
    assert told(worse, asked=False).endswith("rules: 2 act, 1 off; nothing was set")
    assert "in 30 files and 4 whole paths were" in told(replace(worse, paths=4), asked=False)
    assert "whole" not in told(worse, asked=False)
    assert Measured(**values, **paths, own=1.0, shipped=1.0).better  # type: ignore[arg-type]  # a test's own
