"""Texts as nobody should write them: an answer that is right or a typed word, in bounded time, and never a crash."""

import signal
from collections.abc import Iterator

import pytest

from flowforge.core.conflict import Conflict, Kind, parse_segments, splice
from flowforge.core.errors import Refused
from flowforge.resolve.ladder import Answers, climb
from flowforge.resolve.rungs import language_of
from tests.golden.fuzz import conflict_of, registry, rungs
from tests.golden.properties import ACT, problem_in

HANG = 100  # seconds: a time that only a search without end reaches


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    def hung(*_: object) -> None:
        raise TimeoutError("no answer")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(HANG)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def climbed(conflict: Conflict) -> Answers:
    """The answers, after every property was asked."""
    assert conflict.hunks
    answers = climb([conflict], rungs(), ACT)
    assert problem_in(answers, registry().languages.values()) in {None, ""}
    assert all(note.why and note.sentence for note in answers.notes if note.outcome == "abstained")
    return answers


BASE = (
    b"import os\n\n\ndef area(width, height):\n    return width * height\n\n\ndef name():\n    return 'x'\n"
)
UPSTREAM = BASE.replace(b"width, height", b"width, height, depth").replace(b"* height", b"* height * depth")
COMMIT = BASE.replace(b"(width", b"(first").replace(b"return width", b"return first")
PATHS = (
    "a.py",
    "a.js",
    "a.ts",
    "a.go",
    "A.java",
    "a.json",
    "a.yaml",
    "a.toml",
    "a.xml",
    "a.ini",
    "CHANGELOG.md",
    "a.txt",
)


@pytest.mark.parametrize("path", PATHS)
def test_mixed_line_ends_are_kept_as_they_were_or_handed_back(path: str) -> None:
    mixed = BASE.replace(b"\n\n", b"\r\n\n")
    answers = climbed(conflict_of(path, mixed, UPSTREAM, COMMIT.replace(b"\n", b"\r\n")))
    for found in answers.resolutions:
        assert found.result.replace(b"\r", b"").splitlines()[3:5] == [
            b"def area(first, height, depth):",
            b"    return first * height * depth",
        ]


def test_a_side_with_other_line_ends_throughout_is_not_taken_for_one_that_changed_nothing() -> None:
    commit = COMMIT.replace(b"\n", b"\r\n")
    answers = climbed(conflict_of("a.py", BASE, UPSTREAM, commit))
    assert all(b"depth" in found.result and b"first" in found.result for found in answers.resolutions)


@pytest.mark.parametrize("path", PATHS)
def test_no_final_newline_on_any_side_is_no_trouble(path: str) -> None:
    for chopped in range(8):
        sides = [
            text.rstrip(b"\n") if chopped >> place & 1 else text
            for place, text in enumerate((BASE, UPSTREAM, COMMIT))
        ]
        climbed(conflict_of(path, *sides))


def test_a_byte_order_mark_on_one_side_is_handed_back_or_kept() -> None:
    answers = climbed(conflict_of("a.py", BASE, b"\xef\xbb\xbf" + UPSTREAM, COMMIT))
    assert all(found.result.startswith(b"\xef\xbb\xbf") for found in answers.resolutions)


def test_a_byte_order_mark_on_all_sides_stays_where_it_is() -> None:
    answers = climbed(conflict_of("a.py", *(b"\xef\xbb\xbf" + text for text in (BASE, UPSTREAM, COMMIT))))
    for found in answers.resolutions:
        assert found.result.startswith(b"\xef\xbb\xbf")
        assert found.result.count(b"\xef\xbb\xbf") == 1


def test_tabs_and_spaces_mixed_are_never_read_as_the_same_depth() -> None:
    upstream = UPSTREAM.replace(b"    return width", b"\treturn width")
    answers = climbed(conflict_of("a.py", BASE, upstream, COMMIT))
    for found in answers.resolutions:
        compile(found.result, "a.py", "exec")


@pytest.mark.parametrize("path", PATHS)
def test_bytes_that_no_text_holds_are_kept_or_handed_back(path: str) -> None:
    answers = climbed(conflict_of(path, BASE, UPSTREAM.replace(b"depth", b"de\0pth"), COMMIT))
    assert all(b"de\0pth" in found.result for found in answers.resolutions)


@pytest.mark.parametrize("path", PATHS)
def test_latin_1_is_kept_byte_by_byte(path: str) -> None:
    base, upstream, commit = (text.replace(b"'x'", b"'\xe9t\xe9'") for text in (BASE, UPSTREAM, COMMIT))
    answers = climbed(conflict_of(path, base, upstream, commit))
    assert all(b"'\xe9t\xe9'" in found.result for found in answers.resolutions)


def test_conflict_markers_in_a_string_are_no_markers() -> None:
    text = b'HELP = """\n<<<<<<< yours\n=======\n>>>>>>> theirs\n"""\n\n\n'
    answers = climbed(conflict_of("a.py", text + BASE, text + UPSTREAM, text + COMMIT))
    assert all(found.result.startswith(text) for found in answers.resolutions)


def test_markers_in_a_side_are_seen_where_git_s_own_text_is_read() -> None:
    text = b"<<<<<<< upstream\n<<<<<<< yours\n||||||| base\n=======\nx\n>>>>>>> commit\n"
    with pytest.raises(Refused, match="stands in the file itself"):
        parse_segments(text, 7)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("pair", [b"()", b"[]", b"{}"])
def test_ten_thousand_brackets_deep_is_handed_back_or_right(path: str, pair: bytes) -> None:
    deep = b"x = " + pair[:1] * 10_000 + b"1" + pair[1:] * 10_000 + b"\n"
    climbed(conflict_of(path, deep, deep.replace(b"1", b"2"), deep.replace(b"x", b"y")))


@pytest.mark.parametrize("path", ["a.js", "a.json", "a.css", "a.txt"])
def test_ten_megabytes_on_one_line_are_handed_back_or_right(path: str) -> None:
    line = b"function f(a){return a+1};" * 400_000
    climbed(conflict_of(path, line, line + b"g()", b"h();" + line))


def test_a_hundred_thousand_conflicts_are_climbed_without_a_search_in_every_one_of_all() -> None:
    count = 100_000
    base, upstream, commit = (
        b"".join(b"v%d = %s\nkept%d\n" % (number, value, number) for number in range(count))
        for value in (b"1", b"2", b"3")
    )
    conflict = conflict_of("a.txt", base, upstream, commit)
    assert len(conflict.hunks) == count
    answers = climbed(conflict)
    assert answers.resolutions == ()


@pytest.mark.parametrize(
    ("path", "definition"),
    [
        ("a.py", b"def f%d(a):\n    return a + %d\n\n\n"),
        ("a.js", b"function f%d(a) {\n  return a + %d\n}\n\n"),
        ("a.ts", b"function f%d(a: number) {\n  return a + %d\n}\n\n"),
        ("a.go", b"func f%d(a int) int {\n\treturn a + %d\n}\n\n"),
        ("A.java", b"class C%d { int f(int a) {\n  return a + %d;\n}\n}\n"),
    ],
)
def test_a_file_of_twenty_thousand_lines_is_merged_within_its_deadline(path: str, definition: bytes) -> None:
    base = (b"package a\n\n" if path.endswith(".go") else b"") + b"".join(
        definition % (number, number) for number in range(5000)
    )
    assert base.count(b"\n") >= 20_000
    upstream = base + definition % (70_001, 1)
    commit = base + definition % (70_002, 1)
    answers = climbed(conflict_of(path, base, upstream, commit))
    assert all(note.why not in {"out_of_time", "timeout"} for note in answers.notes)


def test_an_empty_side_is_handed_back_or_right() -> None:
    for path in PATHS:
        climbed(conflict_of(path, BASE, UPSTREAM, b""))


def test_a_file_that_both_sides_added_has_no_base_and_is_no_crash() -> None:
    for path in PATHS:
        found = conflict_of(path, b"", UPSTREAM, COMMIT)
        conflict = Conflict(
            path=path,
            kind=Kind.ADD_ADD,
            base=None,
            upstream=found.upstream,
            commit=found.commit,
            segments=found.segments,
        )
        answers = climb([conflict], rungs(), ACT)
        assert all(note.outcome != "failed" for note in answers.notes)


def test_the_texts_of_these_tests_are_of_known_languages() -> None:
    known = {path for path in PATHS if language_of(path, registry().languages.values()) is not None}
    assert {"a.py", "a.js", "a.ts", "a.go", "A.java", "a.json"} <= known


def test_a_conflict_is_put_together_again_byte_by_byte() -> None:
    conflict = conflict_of("a.py", BASE, UPSTREAM, COMMIT)
    assert splice(conflict.segments, [hunk.upstream for hunk in conflict.hunks]) == UPSTREAM
