from dataclasses import replace

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, Kind, resolve_with
from flowforge.resolve.memory import Kept, Remembered, keys, recall, remember

HUNK = Hunk(index=0, base=b"b\n", upstream=b"u\n", commit=b"c\n", line=4)
ANSWER = HunkAnswer(index=0, text=b"x\n", rung="model", rule="merged", why="both fit", confirmed=False)


def conflict(
    hunk: Hunk = HUNK, before: bytes = b"1\n2\n3\n", after: bytes = b"4\n5\n6\n", path: str = "a.py"
) -> Conflict:
    return Conflict(
        path=path,
        kind=Kind.CONTENT,
        base=None,
        upstream=None,
        commit=None,
        segments=(before, hunk, after),
    )


def learnt(*, confirmed: bool = True) -> Remembered:
    memory = Remembered()
    remember(resolve_with(conflict(), [ANSWER]), memory, confirmed=confirmed)
    return memory


def test_nothing_is_known_at_first() -> None:
    judged = recall(conflict(), Remembered())
    assert isinstance(judged, Abstain)
    assert judged.why == "not_seen"


def test_the_same_hunk_in_the_same_place_gets_the_same_answer() -> None:
    judged = recall(conflict(), learnt())
    assert isinstance(judged, Candidate)
    (answer,) = judged.answers
    assert (answer.text, answer.rung, answer.rule) == (b"x\n", "memory", "answered before by model")
    assert (answer.why, answer.confirmed) == ("both fit", True)


@pytest.mark.parametrize(
    "other",
    [
        conflict(path="b.py"),
        conflict(replace(HUNK, base=b"b2\n")),
        conflict(replace(HUNK, upstream=b"u \n")),
        conflict(replace(HUNK, commit=b"c")),
        conflict(before=b"1\n2\n3!\n"),
        conflict(before=b"1\n0\n3\n"),
        conflict(after=b"\n4\n5\n6\n"),
        conflict(after=b"4\n5\n"),
    ],
)
def test_one_byte_of_difference_is_another_place(other: Conflict) -> None:
    assert isinstance(recall(other, learnt()), Abstain)


def test_lines_further_away_and_line_numbers_do_not_matter() -> None:
    moved = conflict(replace(HUNK, line=900), before=b"0\n1\n2\n3\n", after=b"4\n5\n6\n7\n")
    assert isinstance(recall(moved, learnt()), Candidate)


def test_bytes_cannot_change_place_between_sides() -> None:
    shifted = conflict(replace(HUNK, base=b"b\nu\n", upstream=b""))
    assert keys(shifted)[0] != keys(conflict())[0]


def test_what_was_not_confirmed_is_still_a_proposal() -> None:
    judged = recall(conflict(), learnt(confirmed=False))
    assert isinstance(judged, Candidate)
    assert judged.answers[0].confirmed is False


def test_an_answer_from_memory_keeps_the_rung_that_first_gave_it() -> None:
    memory = learnt(confirmed=False)
    again = recall(conflict(), memory)
    assert isinstance(again, Candidate)
    remember(resolve_with(conflict(), again.answers), memory, confirmed=True)
    kept = memory.get(keys(conflict())[0])
    assert kept == Kept(text=b"x\n", rung="model", why="both fit", confirmed=True)


def test_only_the_hunks_that_are_known_are_answered() -> None:
    second = replace(HUNK, index=1, upstream=b"other\n")
    both = replace(conflict(), segments=(*conflict().segments, second, b""))
    judged = recall(both, learnt())
    assert isinstance(judged, Candidate)
    assert [answer.index for answer in judged.answers] == [0]
