import pytest

from flowforge.core.conflict import Hunk
from flowforge.merge.doubt import Doubt
from flowforge.merge.losses import check_losses


def hunk(base: bytes, upstream: bytes, commit: bytes) -> Hunk:
    return Hunk(index=0, base=base, upstream=upstream, commit=commit)


def test_an_answer_with_both_changes_passes() -> None:
    check_losses(hunk(b"a = 1\n", b"a = 2\n", b"a = 1\nb = 3\n"), b"a = 2\nb = 3\n")


def test_a_comment_that_one_side_wrote_may_not_be_dropped() -> None:
    with pytest.raises(Doubt) as told:
        check_losses(hunk(b"a = 1\n", b"a = 2\n", b"# why\na = 1\n"), b"a = 2\n")
    assert told.value.why == "lost"


def test_a_line_that_one_side_removed_may_not_come_back() -> None:
    with pytest.raises(Doubt) as told:
        check_losses(hunk(b"# older\na = 1\n", b"a = 1\n", b"# older\na = 2\n"), b"# older\na = 2\n")
    assert told.value.why == "resurrected"


def test_a_separator_belongs_to_its_neighbours() -> None:
    check_losses(hunk(b'"a": 1,\n"b": 2\n', b'"a": 1\n', b'"a": 1,\n"b": 2,\n"c": 3\n'), b'"a": 1,\n"c": 3\n')


def test_a_line_laid_out_anew_is_the_same_line() -> None:
    check_losses(
        hunk(b"key = 1\nother = 2\n", b"key=1\nother = 3\n", b"key = 1\nother = 2\nnew = 4\n"),
        b"key = 1\nother = 3\nnew = 4\n",
    )


def test_what_both_sides_changed_is_the_rungs_own_decision() -> None:
    check_losses(hunk(b"v = 10\n", b"v = 11\n", b"v = 12\n"), b"v = 11\nv = 12\n")
