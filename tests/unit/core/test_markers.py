import hypothesis.strategies as st
from hypothesis import given

from flowforge.core.conflict import Hunk, parse_segments
from flowforge.core.markers import Markers, with_markers
from tests.unit.core.test_conflict import rows, unlined


@given(segments=rows(), size=st.integers(min_value=8, max_value=40).filter(lambda size: size not in {7, 9}))
def test_what_is_written_is_read_back(segments: tuple[bytes | Hunk, ...], size: int) -> None:
    assert unlined(parse_segments(with_markers(segments, Markers(size=size)), size)) == unlined(segments)


def test_markers_carry_the_names_of_sides() -> None:
    hunk = Hunk(index=0, base=b"b\n", upstream=b"u\n", commit=b"c\n")
    named = Markers(size=3, upstream="HEAD", base="", commit="topic: ü")
    assert with_markers((b"top\n", hunk, b"end\n"), named) == (
        "top\n<<< HEAD\nu\n|||\nb\n===\nc\n>>> topic: ü\nend\n".encode()
    )


def test_a_side_without_a_last_line_end_gets_one_before_the_next_marker() -> None:
    hunk = Hunk(index=0, base=b"b", upstream=b"u", commit=b"")
    assert with_markers((b"", hunk, b""), Markers(size=2)) == b"<< upstream\nu\n|| base\nb\n==\n>> commit\n"


def test_lines_that_all_end_in_crlf_have_such_markers() -> None:
    hunk = Hunk(index=0, base=b"b\r\n", upstream=b"u\r\n", commit=b"c")
    mixed = Hunk(index=0, base=b"b\r\n", upstream=b"u\n", commit=b"c\r\n")
    assert with_markers((b"", hunk, b""), Markers(size=2)).count(b"\n") == 7
    assert with_markers((b"", hunk, b""), Markers(size=2)).count(b"\r\n") == 7
    assert b"==\n" in with_markers((b"", mixed, b""), Markers(size=2))
