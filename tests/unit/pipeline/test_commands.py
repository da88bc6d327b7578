"""How a command's end becomes a stage's result."""

from itertools import product

import pytest

from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import StageSpec
from flowforge.pipeline.commands import ended, nothing_to_run_on
from flowforge.sandbox.contract import Finished, Why

SPEC = StageSpec(id="tests", uses="test", run="make test", timeout=90)


@pytest.mark.parametrize(
    ("why", "result", "reason", "words"),
    [
        (Why.TIMEOUT, Result.TIMEOUT, Reason.TIMEOUT, "ran longer than its 90 s"),
        (Why.MEMORY_LIMIT, Result.FAILURE, Reason.MEMORY_LIMIT, "more than its memory"),
        (Why.OUTPUT_LIMIT, Result.FAILURE, Reason.OUTPUT_LIMIT, "more output"),
        (Why.DISK_LIMIT, Result.FAILURE, Reason.NO_SPACE, "filled the space"),
        (Why.CANCELLED, Result.CANCELLATION, Reason.CANCELLED, "the job was cancelled"),
    ],
)
def test_every_limit_has_its_result_and_its_words(
    why: Why, result: Result, reason: Reason, words: str
) -> None:
    told = ended(SPEC, Finished(status=137, seconds=1.0, why=why), Reason.TESTS_FAILED)
    assert (told.stage, told.result, told.reason) == ("tests", result, reason)
    assert told.sentence.startswith("'make test' ")
    assert words in told.sentence
    assert bool(told.next_action) is (why is not Why.CANCELLED)


def test_no_way_to_end_is_without_a_result() -> None:
    for why, status in product(Why, (0, 1, 139)):
        told = ended(SPEC, Finished(status=status, seconds=1.0, why=why), Reason.COMMAND_FAILED)
        assert told.ok is (why is Why.EXITED and status == 0)


@pytest.mark.parametrize("reason", [Reason.TESTS_FAILED, Reason.COMMAND_FAILED])
def test_a_status_that_is_not_0_has_the_reason_of_its_stage(reason: Reason) -> None:
    told = ended(SPEC, Finished(status=2, seconds=1.0), reason)
    assert (told.result, told.reason) == (Result.FAILURE, reason)
    assert told.sentence == "'make test' ended with exit status 2"


def test_a_good_end_tells_its_seconds() -> None:
    assert ended(SPEC, Finished(status=0, seconds=1.26), Reason.TESTS_FAILED).sentence == (
        "'make test' ended well in 1.3 s"
    )


@pytest.mark.parametrize("length", [100, 101, 100_000])
def test_a_script_is_quoted_up_to_a_hundred_characters(length: int) -> None:
    spec = StageSpec(id="s", uses="run", run="x" * length)
    sentence = ended(spec, Finished(status=0, seconds=0.0), Reason.COMMAND_FAILED).sentence
    assert ("…" in sentence) is (length > 100)
    assert sentence.count("x") == 100


def test_nothing_to_run_on_is_no_failure() -> None:
    assert nothing_to_run_on(SPEC).ok
