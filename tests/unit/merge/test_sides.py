"""The three texts a merge starts from, and the way back from its result to the hunks."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.conflict import Conflict, Hunk, Segment, Side, splice
from flowforge.merge.doubt import Doubt
from flowforge.merge.sides import MAX_BYTES, hunk_texts, versions
from tests.golden.conflictcases import conflict_of
from tests.unit.merge.languages import LANGUAGES

PYTHON = LANGUAGES["python"]
PARTS = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"    c\n"]), max_size=4).map(b"".join)


@pytest.fixture
def two_hunks(tmp_path: Path) -> Conflict:
    """Both sides change the first and the last line; upstream alone changes the middle, which git merges."""
    middle = b"a = 1\nb = 1\nc = 1\nd = 1\n"
    return conflict_of(
        "a.py",
        b"x = 0\n" + middle + b"y = 0\n",
        b"x = 1\n" + middle.replace(b"b = 1", b"b = 2") + b"y = 1\n",
        b"x = 2\n" + middle + b"y = 2\n",
        tmp_path,
    )


def test_versions_differ_in_the_hunks_only(two_hunks: Conflict) -> None:
    found = versions(two_hunks, PYTHON)
    base, upstream, commit = (source.text for source in found.sources)
    assert base == b"x = 0\na = 1\nb = 2\nc = 1\nd = 1\ny = 0\n"  # git's merge of the middle in all three
    assert upstream == base.replace(b"= 0", b"= 1")
    assert commit == base.replace(b"= 0", b"= 2")


def test_versions_know_where_each_hunk_lies(two_hunks: Conflict) -> None:
    found = versions(two_hunks, PYTHON)
    for source, ranges, side in zip(found.sources, found.hunks, Side, strict=True):
        assert {i: source.text[a:b] for i, (a, b) in ranges.items()} == {
            hunk.index: hunk.side(side) for hunk in two_hunks.hunks
        }


def test_where_a_filled_text_does_not_parse_the_real_files_serve(tmp_path: Path) -> None:
    # upstream opens a bracket in the hunk and closes it in a line that git takes from it for all sides
    base = b"x = 1\n# a\n# b\n# c\nd\n"
    upstream = b"x = (1,\n# a\n# b\n# c\n2)\n"
    commit = b"x = 2\n# a\n# b\n# c\nd\n"
    conflict = conflict_of("a.py", base, upstream, commit, tmp_path)
    found = versions(conflict, PYTHON)
    assert [source.text for source in found.sources] == [base, upstream, commit]
    assert found.hunks == ()


@pytest.mark.parametrize(
    ("why", "base", "upstream", "commit"),
    [
        ("byte_order_mark", b"x = 0\n", b"\xef\xbb\xbfx = 0\ny = 1\n", b"x = 2\n"),
        ("byte_order_mark", b"\xef\xbb\xbfx = 0\n", b"\xef\xbb\xbfx = 1\n", b"x = 2\n"),
        ("too_large", b"x = 0\n", b"x = 1\n" * (MAX_BYTES // 6 + 1), b"x = 2\n"),
        ("does_not_parse", b"x = (\n", b"y = (\n", b"z = (\n"),
    ],
)
def test_what_cannot_be_merged_is_told_before_any_work(
    why: str, base: bytes, upstream: bytes, commit: bytes, tmp_path: Path
) -> None:
    with pytest.raises(Doubt) as raised:
        versions(conflict_of("a.py", base, upstream, commit, tmp_path), PYTHON)
    assert raised.value.why == why


def test_a_byte_order_mark_on_all_sides_is_text_like_any_other(tmp_path: Path) -> None:
    bom = b"\xef\xbb\xbf"
    conflict = conflict_of("a.py", bom + b"x = 0\n", bom + b"x = 1\n", bom + b"x = 2\n", tmp_path)
    assert all(source.text.startswith(bom) for source in versions(conflict, PYTHON).sources)


def test_a_missing_version_is_a_doubt_and_a_missing_base_is_an_empty_text(two_hunks: Conflict) -> None:
    assert versions(replace(two_hunks, base=None), PYTHON).sources[0].text != b""
    assert two_hunks.commit is not None
    with pytest.raises(Doubt) as raised:
        versions(replace(two_hunks, commit=replace(two_hunks.commit, content=None)), PYTHON)
    assert raised.value.why == "too_large"


def segments(*parts: bytes) -> tuple[Segment, ...]:
    """Bytes with a hunk between each two of them."""
    row: list[Segment] = [parts[0]]
    for index, part in enumerate(parts[1:]):
        row += [Hunk(index=index, base=b"", upstream=b"", commit=b""), part]
    return tuple(row)


@given(st.lists(PARTS, min_size=2, max_size=4), st.data())
def test_what_was_spliced_is_cut_out_again(parts: list[bytes], data: st.DataObject) -> None:
    row = segments(*parts)
    texts = [data.draw(PARTS) for _ in parts[1:]]
    result = splice(row, texts)
    found = hunk_texts(row, result, one_way=False)
    assert splice(row, found) == result


@pytest.mark.parametrize(
    ("result", "texts"),
    [
        (b"head\nnew\nmiddle\nmore\ntail\n", (b"new\n", b"more\n")),
        (b"head\nmiddle\ntail\n", (b"", b"")),
        (b"head\nnew\nmiddle\ntail\n", (b"new\n", b"")),
    ],
)
def test_hunks_are_cut_from_between_what_git_merged(result: bytes, texts: tuple[bytes, ...]) -> None:
    assert hunk_texts(segments(b"head\n", b"middle\n", b"tail\n"), result, one_way=True) == texts


@pytest.mark.parametrize(
    "result", [b"", b"head\nnew\n", b"new\nhead\nmiddle\ntail\n", b"head\nmidle\ntail\n"]
)
def test_a_result_that_changed_other_lines_has_no_hunks_texts(result: bytes) -> None:
    with pytest.raises(Doubt) as raised:
        hunk_texts(segments(b"head\n", b"middle\n", b"tail\n"), result, one_way=False)
    assert raised.value.why == "outside_changed"


def test_a_cut_that_could_lie_elsewhere_is_refused_where_it_must_be_the_only_one() -> None:
    row = segments(b"head\n", b"same\n", b"tail\n")
    result = b"head\nsame\nsame\ntail\n"
    assert hunk_texts(row, result, one_way=False) in {(b"", b"same\n"), (b"same\n", b"")}
    with pytest.raises(Doubt) as raised:
        hunk_texts(row, result, one_way=True)
    assert raised.value.why == "outside_changed"
