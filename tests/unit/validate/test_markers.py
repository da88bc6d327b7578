import pytest

from flowforge.core.verdict import Level, Outcome, judge
from flowforge.hooks.contracts import CheckedFile
from flowforge.validate.markers import check


def found(text: bytes, **sides: bytes) -> list[tuple[int, Level]]:
    file = CheckedFile(path="f", language="", text=text, **sides)  # type: ignore[arg-type]
    return [(finding.start, finding.level) for finding in check(file)]


def test_a_whole_conflict_left_in_is_an_error_at_each_marker() -> None:
    text = b"a\n<<<<<<< HEAD\nb\n||||||| base\nc\n=======\nd\n>>>>>>> topic\ne\n"
    assert found(text) == [(n, Level.ERROR) for n in (2, 4, 6, 8)]


@pytest.mark.parametrize("mark", [b"<<<<<<<", b">>>>>>> x", b"||||||| ", b"<<<<<<<<<<<<<<< long"])
def test_a_single_marker_is_an_error(mark: bytes) -> None:
    assert found(b"a\n" + mark + b"\n") == [(2, Level.ERROR)]


def test_a_heading_underlined_with_equal_signs_is_only_a_warning() -> None:
    assert found(b"Title\n=======\n") == [(2, Level.WARNING)]


@pytest.mark.parametrize(
    "text",
    [b"a <<<<<<< b\n", b"<<<<<<\n", b"<<<<<<<x\n", b">>>>>>>>>x", b"#=======\n", b"", b"x = 1 << 7\n"],
)
def test_what_only_resembles_a_marker_is_none(text: bytes) -> None:
    assert found(text) == []


def test_a_marker_that_a_side_had_literally_is_that_projects_text() -> None:
    text = b"doc:\n<<<<<<< example\n"
    assert found(text, upstream=text) == []
    assert found(text, commit=text) == []
    assert found(text + b"<<<<<<< example\n", commit=text) == [(3, Level.ERROR)]


def test_line_ends_of_other_systems_hide_nothing() -> None:
    assert found(b"a\r\n<<<<<<< HEAD\r\n") == [(2, Level.ERROR)]


def test_markers_fail_the_change_and_headings_do_not() -> None:
    def outcome(text: bytes) -> Outcome:
        return judge("markers", "f", check(CheckedFile(path="f", language="", text=text))).outcome

    assert outcome(b"<<<<<<< a\n") is Outcome.FAIL
    assert outcome(b"=======\n") is Outcome.PASS
