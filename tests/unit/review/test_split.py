"""What goes into one question: everything that is introduced, once, in whole lines, and no more than there is room."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.review.change import ChangedFile
from flowforge.review.split import (
    AROUND,
    MAX_REMOVED,
    MAX_REMOVED_LINE,
    ROOM,
    WHOLE,
    Piece,
    pieces_of,
    portions,
    removed_shown,
)
from tests.unit.review.changes import file


def long_file(count: int = 2000, introduced: tuple[int, ...] = (500,), width: int = 60) -> ChangedFile:
    lines = tuple(f"    {'x' * width} # {number}" for number in range(1, count + 1))
    return file(count=count, introduced=introduced, lines=lines)


def test_a_small_file_is_shown_as_a_whole() -> None:
    one = file()
    assert list(pieces_of(one)) == [Piece(file=one, start=1, end=10)]


def test_small_files_share_a_question() -> None:
    files = [file(f"src/{number}.py") for number in range(5)]
    (portion,) = portions(files)
    assert [piece.file for piece in portion] == files


def test_a_file_without_introduced_lines_is_not_shown() -> None:
    assert portions([file(introduced=())]) == ()


def test_of_a_large_file_the_hunks_are_shown_with_the_lines_around_them() -> None:
    pieces = list(pieces_of(long_file(introduced=(500, 501, 1500))))
    assert [(piece.start, piece.end) for piece in pieces] == [
        (500 - AROUND, 501 + AROUND),
        (1500 - AROUND, 1500 + AROUND),
    ]


def test_hunks_whose_surroundings_meet_are_one() -> None:
    (piece,) = pieces_of(long_file(introduced=(500, 500 + 2 * AROUND)))
    assert (piece.start, piece.end) == (500 - AROUND, 500 + 3 * AROUND)


def test_a_hunk_names_the_line_that_opens_what_it_stands_in() -> None:
    lines = ["import os", "", "def f():", *["    pass"] * 400, "def g():", *["    " + "x" * 60] * 400]
    one = file(count=len(lines), introduced=(300, 700), lines=tuple(lines))
    assert [piece.head for piece in pieces_of(one)] == [3, 404]


def test_a_hunk_that_is_too_large_is_cut_where_a_new_part_begins() -> None:
    body = ["    " + "x" * 60] * 30
    lines = [line for number in range(40) for line in (f"def f{number}():", *body)]
    one = file(count=len(lines), introduced=tuple(range(1, len(lines) + 1)), lines=tuple(lines))
    pieces = list(pieces_of(one))
    assert len(pieces) > 3
    assert all(lines[piece.start - 1].startswith("def f") for piece in pieces)


def test_a_file_is_not_cut_in_two_where_it_fits_into_a_question_of_its_own() -> None:
    small = file("a.py", count=100, introduced=(1,), lines=("y" * 70,) * 100)
    large = [file(f"{name}.py", count=100, introduced=(1,), lines=("x" * 70,) * 100) for name in "bcd"]
    made = portions([small, *large])
    assert len(made) > 1
    for one in (small, *large):
        assert sum(piece.file == one for portion in made for piece in portion) == 1


def test_lines_that_were_taken_away_are_bounded() -> None:
    gone = tuple(["x"] * (MAX_REMOVED + 5))
    assert len(removed_shown(file(removed={3: gone}), 3)) == MAX_REMOVED
    assert removed_shown(file(removed={3: ("x" * (MAX_REMOVED_LINE + 1), "y")}), 3) == ("y",)
    assert removed_shown(file(), 3) == ()


files = st.builds(
    lambda path, widths, introduced, gone: file(
        path,
        count=len(widths),
        lines=tuple("x" * width for width in widths),
        introduced=tuple(number for number in introduced if number <= len(widths)),
        removed=dict.fromkeys((number for number in gone if number <= len(widths)), ("y" * 50,) * 3),
    ),
    st.sampled_from(["a.py", "b.py", "c.py", "d.py"]),
    st.lists(st.integers(0, 1200), min_size=1, max_size=120),
    st.sets(st.integers(1, 120), max_size=60),
    st.sets(st.integers(1, 120), max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(files, max_size=5, unique_by=lambda one: one.path), st.sampled_from([3_000, ROOM]))
def test_every_introduced_line_is_shown_once_and_no_question_is_too_large(
    changed: list[ChangedFile], room: int
) -> None:
    made = portions(changed, room)
    shown = [
        (piece.file.path, number) for portion in made for piece in portion for number in piece.introduced
    ]
    wanted = [(one.path, number) for one in changed for number in one.introduced]
    assert sorted(shown) == sorted(wanted)
    for portion in made:
        assert portion
        assert sum(piece.size for piece in portion) <= room or len(portion) == 1
        assert sum(piece.size for piece in portion) <= max(room, WHOLE) + 2_000
