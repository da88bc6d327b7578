import hypothesis.strategies as st
import pytest
from hypothesis import given

from flowforge.core.conflict import (
    Conflict,
    Hunk,
    HunkAnswer,
    Kind,
    Side,
    Version,
    fit,
    outside_hash,
    parse_segments,
    resolve_with,
    splice,
    split_lines,
)
from flowforge.core.errors import Reason, Refused

SIZE = 9
line = st.sampled_from([b"a\n", b"b\n", b"\n", b"c = 1\r\n", b"<<<<<<<\n", b"=======\n", b"\xff\x00\n"])
lines = st.lists(line, max_size=5).map(b"".join)
hunks = st.tuples(lines, lines, lines)


@st.composite
def rows(draw: st.DrawFn) -> tuple[bytes | Hunk, ...]:
    """Segments as git makes them: bytes and hunks alternate, bytes at both ends."""
    found: list[bytes | Hunk] = [draw(lines)]
    for index, (base, upstream, commit) in enumerate(draw(st.lists(hunks, max_size=4))):
        found += [Hunk(index=index, base=base, upstream=upstream, commit=commit), draw(lines)]
    return tuple(found)


def render(segments: tuple[bytes | Hunk, ...], size: int = SIZE) -> bytes:
    """Write segments as git does in diff3 style."""
    text = b""
    for segment in segments:
        if isinstance(segment, bytes):
            text += segment
            continue
        text += b"<" * size + b" upstream\n" + segment.upstream
        text += b"|" * size + b" base\n" + segment.base
        text += b"=" * size + b"\n" + segment.commit
        text += b">" * size + b" commit\n"
    return text


def unlined(segments: tuple[bytes | Hunk, ...]) -> list[object]:
    return [s if isinstance(s, bytes) else (s.index, s.base, s.upstream, s.commit) for s in segments]


@given(rows())
def test_parsing_what_git_writes_gives_the_segments_back(segments: tuple[bytes | Hunk, ...]) -> None:
    assert unlined(parse_segments(render(segments), SIZE)) == unlined(segments)


def test_a_hunk_knows_the_line_at_which_it_begins() -> None:
    text = b"one\ntwo\n" + render((b"", Hunk(index=0, base=b"b\n", upstream=b"u\n", commit=b"c\n"), b"end\n"))
    (hunk,) = (s for s in parse_segments(text, SIZE) if isinstance(s, Hunk))
    assert hunk.line == 3


@pytest.mark.parametrize(
    "text",
    [
        b"<" * SIZE + b" a\nx\n",
        b"=" * SIZE + b"\n",
        b"<" * SIZE + b"\n" + b"=" * SIZE + b"\n" + b">" * SIZE + b"\n",
        b"<" * SIZE + b"\n" + b"<" * SIZE + b"\n",
        b">" * SIZE + b"\n",
    ],
)
def test_markers_out_of_order_are_refused_and_not_guessed(text: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse_segments(text, SIZE)
    assert refused.value.reason is Reason.UNRESOLVED_CONFLICTS
    assert "line 1" in refused.value.sentence or "line 2" in refused.value.sentence


def test_a_longer_row_of_marker_characters_is_text() -> None:
    text = b"=" * (SIZE + 1) + b"\nTitle\n"
    assert parse_segments(text, SIZE) == (text,)


@given(rows(), st.data())
def test_splicing_changes_no_byte_between_the_hunks(
    segments: tuple[bytes | Hunk, ...], data: st.DataObject
) -> None:
    texts = [data.draw(st.binary(max_size=8)) for s in segments if isinstance(s, Hunk)]
    spliced = splice(segments, texts)
    rest = spliced
    filling = iter(texts)
    for segment in segments:
        piece = next(filling) if isinstance(segment, Hunk) else segment
        assert rest.startswith(piece)
        rest = rest[len(piece) :]
    assert rest == b""


@given(rows(), st.data())
def test_whatever_was_spliced_fits_again(segments: tuple[bytes | Hunk, ...], data: st.DataObject) -> None:
    texts = [data.draw(lines) for s in segments if isinstance(s, Hunk)]
    spliced = splice(segments, texts)
    found = fit(segments, spliced)
    assert found is not None
    assert splice(segments, found) == spliced


@given(rows(), st.binary(max_size=40))
def test_what_fits_is_exactly_what_splicing_would_build(
    segments: tuple[bytes | Hunk, ...], result: bytes
) -> None:
    found = fit(segments, result)
    if found is not None:
        assert splice(segments, found) == result


def test_a_changed_byte_outside_the_hunks_does_not_fit() -> None:
    segments = (b"head\n", Hunk(index=0, base=b"", upstream=b"u\n", commit=b"c\n"), b"tail\n")
    assert fit(segments, b"head\nnew\ntail\n") == (b"new\n",)
    assert fit(segments, b"HEAD\nnew\ntail\n") is None
    assert fit(segments, b"head\nnew\ntail") is None
    assert fit(segments, b"head\ntail\n") == (b"",)
    assert fit((b"whole\n",), b"other\n") is None


def test_head_and_tail_may_not_share_bytes() -> None:
    segments = (b"ab", Hunk(index=0, base=b"", upstream=b"", commit=b""), b"bc")
    assert fit(segments, b"abc") is None


@given(rows(), rows())
def test_the_outside_hash_tells_rows_apart(
    one: tuple[bytes | Hunk, ...], two: tuple[bytes | Hunk, ...]
) -> None:
    fixed = [[s for s in row if isinstance(s, bytes)] for row in (one, two)]
    assert (outside_hash(one) == outside_hash(two)) == (fixed[0] == fixed[1])


@pytest.mark.parametrize("count", [0, 2])
def test_a_missing_or_extra_text_is_refused(count: int) -> None:
    segments = (b"", Hunk(index=0, base=b"", upstream=b"", commit=b""), b"")
    with pytest.raises(Refused, match="1 hunks need 1 texts"):
        splice(segments, [b"x"] * count)


@given(lines)
def test_lines_end_at_line_feeds_only_and_lose_nothing(text: bytes) -> None:
    cut = split_lines(text + b"no end")
    assert b"".join(cut) == text + b"no end"
    assert all(part.endswith(b"\n") for part in cut[:-1])


def test_a_carriage_return_or_a_form_feed_does_not_end_a_line() -> None:
    assert split_lines(b"a\rb\x0cc\xe2\x80\xa8d\n") == [b"a\rb\x0cc\xe2\x80\xa8d\n"]
    assert split_lines(b"") == []


def conflict(kind: Kind = Kind.CONTENT) -> Conflict:
    hunk = Hunk(index=0, base=b"1\n", upstream=b"2\n", commit=b"3\n")
    version = Version(path="a", mode="100644", oid="0" * 40, content=b"1\n")
    return Conflict(
        path="a", kind=kind, base=version, upstream=None, commit=None, segments=(b"x\n", hunk, b"")
    )


def answer(index: int) -> HunkAnswer:
    return HunkAnswer(index=index, text=b"4\n", rung="mechanical", rule="test", why="because")


def test_a_resolution_holds_the_file_and_the_proof() -> None:
    resolution = resolve_with(conflict(), [answer(0)])
    assert resolution.result == b"x\n4\n"
    assert resolution.outside == outside_hash(conflict().segments)


@pytest.mark.parametrize("indexes", [[], [1], [0, 0], [0, 1]])
def test_answers_must_name_every_hunk_once(indexes: list[int]) -> None:
    with pytest.raises(Refused, match="hunks"):
        resolve_with(conflict(), [answer(i) for i in indexes])


def test_only_conflicts_of_text_are_resolvable() -> None:
    assert conflict().resolvable
    assert conflict(Kind.ADD_ADD).resolvable
    assert not conflict(Kind.MODIFY_DELETE).resolvable


def test_a_side_that_is_not_there_has_no_text() -> None:
    assert conflict().text(Side.BASE) == b"1\n"
    assert conflict().text(Side.UPSTREAM) is None
    assert conflict().hunks[0].side(Side.COMMIT) == b"3\n"
