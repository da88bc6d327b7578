from flowforge.core.verdict import Level
from flowforge.validate.introduced import checked_file
from flowforge.validate.provenance import check


def found(text: bytes, resolved: tuple[tuple[int, int], ...]) -> list[tuple[int, str, Level]]:
    file = checked_file(
        "f",
        "",
        text,
        base=b"f(a)\n",
        upstream=b"f(a, b)\n",
        commit=b"f(a, c)\n",
        resolved=resolved,
    )
    return [(finding.start, finding.rule, finding.level) for finding in check(file)]


def test_a_line_joined_from_both_sides_is_noted() -> None:
    assert found(b"f(a, b, c)\n", ((1, 1),)) == [(1, "new-arrangement", Level.NOTE)]


def test_a_line_with_words_that_no_side_has_is_a_warning() -> None:
    assert found(b"f(a, b, zebra)\n", ((1, 1),)) == [(1, "new-words", Level.WARNING)]


def test_a_new_line_outside_the_answered_hunks_is_an_error() -> None:
    assert found(b"f(a, b)\nf(a, b, c)\n", ((1, 1),)) == [(2, "changed-outside-hunks", Level.ERROR)]


def test_a_file_that_git_merged_alone_is_not_looked_at() -> None:
    assert found(b"anything\n", ()) == []


def test_blank_lines_and_lines_of_a_side_are_nothing_new() -> None:
    assert found(b"f(a, b)\n\n\n", ((1, 3),)) == []


def test_a_wholly_new_file_is_not_told_line_by_line() -> None:
    text = b"".join(b"word%d\n" % n for n in range(1000))
    assert len(found(text, ((1, 1000),))) == 20
    assert len(found(text, ((1, 999),))) == 21  # but an error is never left out
