import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.conflict import Conflict, Hunk, HunkAnswer, Kind, resolve_with, split_lines
from flowforge.validate.introduced import added_lines, answered_ranges, checked_file, introduced_lines

TEXTS = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"}\n", b"\n"]), max_size=12).map(b"".join)


def lines_of(text: bytes, numbers: frozenset[int]) -> list[bytes]:
    lines = split_lines(text)
    return [lines[number - 1].rstrip() for number in sorted(numbers)]


@pytest.mark.parametrize(
    ("text", "base", "upstream", "commit", "introduced"),
    [
        (b"a\nb\n", b"a\n", b"a\nb\n", b"a\n", []),
        (b"a\nb\nc\n", b"a\n", b"a\nb\n", b"a\nc\n", []),  # both sides' additions
        (b"a\nx\n", b"a\n", b"a\nb\n", b"a\nc\n", [b"x"]),
        (b"}\n}\n", b"", b"}\n", b"}\n", []),  # each side added one
        (b"}\n}\n}\n", b"", b"}\n", b"}\n", [b"}"]),  # but none a third
        (b"}\n}\n", b"}\n", b"}\n", b"}\n", [b"}"]),
        (b"a\r\nb\r\n", b"a\nb\n", b"a\nb\n", b"a\nb\n", []),  # only line ends differ
        (b"a", b"a\n", b"a\n", b"a\n", []),
        (b"", b"a\n", b"a\n", b"a\n", []),
        (b"new\n", None, None, b"new\n", []),
        (b"new\n", None, None, None, [b"new"]),
        (b"   a\n", b"a\n", b"a\n", b"a\n", [b"   a"]),  # white space is text
    ],
)
def test_a_line_is_introduced_when_the_sides_cannot_account_for_it(
    text: bytes, base: bytes | None, upstream: bytes | None, commit: bytes | None, introduced: list[bytes]
) -> None:
    assert lines_of(text, introduced_lines(text, base, upstream, commit)) == introduced


def test_a_surplus_is_looked_for_where_flowforge_wrote() -> None:
    text = b"x()\ny()\nx()\n"
    assert introduced_lines(text, b"x()\ny()\n", b"x()\ny()\n", b"x()\ny()\n", ((1, 1),)) == {1}
    assert introduced_lines(text, b"x()\ny()\n", b"x()\ny()\n", b"x()\ny()\n") == {3}


@given(base=TEXTS, upstream=TEXTS, commit=TEXTS)
def test_a_side_taken_whole_introduces_nothing(base: bytes, upstream: bytes, commit: bytes) -> None:
    assert introduced_lines(upstream, base, upstream, commit) == frozenset()
    assert introduced_lines(commit, base, upstream, commit) == frozenset()


@given(text=TEXTS, base=TEXTS, upstream=TEXTS, commit=TEXTS)
def test_a_line_in_no_side_is_always_introduced(
    text: bytes, base: bytes, upstream: bytes, commit: bytes
) -> None:
    found = introduced_lines(text + b"nobody wrote this\n", base, upstream, commit)
    assert text.count(b"\n") + 1 in found


@pytest.mark.parametrize(
    ("text", "upstream", "added"),
    [
        (b"a\nb\n", b"a\n", {2}),
        (b"b\na\n", b"a\n", {1}),
        (b"a\n", b"a\n", set()),
        (b"a\nb\n", None, {1, 2}),
        (b"}\nx\n}\n", b"}\n}\n", {2}),
        (b"f\n}\ng\n}\n", b"f\n}\n", {3, 4}),  # the second brace is the added one
        (b"", b"a\n", set()),
    ],
)
def test_added_lines_are_those_that_upstream_did_not_have(
    text: bytes, upstream: bytes | None, added: set[int]
) -> None:
    assert added_lines(text, upstream) == added


@given(text=TEXTS)
def test_nothing_is_added_to_itself(text: bytes) -> None:
    assert added_lines(text, text) == frozenset()


def answered(*texts: bytes) -> Conflict:
    hunk = {"base": b"o\n", "upstream": b"u\n", "commit": b"c\n"}
    return Conflict(
        path="f",
        kind=Kind.CONTENT,
        base=None,
        upstream=None,
        commit=None,
        segments=(b"1\n2\n", Hunk(index=0, **hunk), b"3\n", Hunk(index=1, **hunk), b""),
    )


@pytest.mark.parametrize(
    ("texts", "ranges"),
    [
        ((b"x\n", b"y\nz\n"), ((3, 3), (5, 6))),
        ((b"", b"y"), ((4, 4),)),
        ((b"", b""), ()),
    ],
)
def test_answers_stand_where_the_ranges_say(texts: tuple[bytes, ...], ranges: object) -> None:
    conflict = answered()
    answers = [HunkAnswer(index=i, text=text, rung="r", rule="r", why="w") for i, text in enumerate(texts)]
    resolution = resolve_with(conflict, answers)
    assert answered_ranges(resolution) == ranges
    lines = split_lines(resolution.result)
    shown = b"".join(lines[n - 1] for a, b in answered_ranges(resolution) for n in range(a, b + 1))
    assert shown == b"".join(texts)


def test_a_checked_file_holds_its_sides_and_its_new_lines() -> None:
    file = checked_file(
        "a.py", "python", b"u\nx\n", base=b"", upstream=b"u\n", commit=b"", resolved=((1, 2),)
    )
    assert (file.introduced, file.added, file.resolved) == ({2}, {2}, ((1, 2),))


def test_a_long_file_of_few_different_lines_is_told_apart() -> None:
    side = b"}\n" * 100_000  # comparing all with all would not end within the suite's own limit
    text = b"x\n" + side + b"}\n"
    assert introduced_lines(text, side, side, side) == {1, 100_002}
    assert added_lines(text, side) == {1, 2}  # both ways of seeing it are true; it looks from the end first
