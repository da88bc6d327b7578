"""Places that do not parse: found, stepped around, never made."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.conflict import Abstain, Candidate
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.doubt import Doubt
from flowforge.merge.faults import MANY, adds_faults, at_fault, faults
from flowforge.merge.sides import versions
from flowforge.merge.structural import resolve
from flowforge.merge.syntax import parse
from tests.golden.conflictcases import conflict_of
from tests.unit.merge.languages import LANGUAGES

C = LANGUAGES["c"]
MACRO = b"void tick(void) {\n    every(100) {\n        run();\n    }\n    stop();\n}\n\n"
LEVEL = b"int level(int a) {\n    int b = read(a);\n    return b;\n}\n"
OTHER = b"int other(void) {\n    return 1;\n}\n\nint third(void) {\n    return 1;\n}\n\n"


@pytest.mark.parametrize(
    ("text", "count"),
    [(LEVEL, 0), (MACRO, 1), (MACRO * 2, 2), (b"int x = = 1;\n", 1), (b"", 0)],
)
def test_every_place_at_which_the_parser_guessed_is_a_fault(text: bytes, count: int) -> None:
    assert faults(parse(text, C)).total() == count


def test_counting_ends_where_the_file_is_something_else() -> None:
    assert faults(parse(MACRO * (MANY * 3), C)).total() == MANY + 1


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (b"every(100) {\n", True),
        (b"    every(100) {\n", True),
        (b"        run();\n", False),  # the guess was a semicolon before the brace
        (b"    stop();\n", False),
        (b"    int b = read(a);\n", False),
    ],
)
def test_a_place_is_at_fault_where_the_parser_guessed_there_or_beside_it(
    place: bytes, expected: bool
) -> None:
    text = MACRO + LEVEL
    at = text.index(place)
    assert at_fault(parse(text, C).root, at, at + len(place)) == expected


def test_what_covers_a_fault_is_at_fault() -> None:
    text = LEVEL + MACRO + OTHER
    assert at_fault(parse(text, C).root, len(LEVEL), len(LEVEL + MACRO))


@given(st.lists(st.sampled_from([MACRO, LEVEL, OTHER, b"int x = = 1;\n", b"}\n"]), max_size=4))
def test_no_place_of_a_text_that_parses_is_at_fault(parts: list[bytes]) -> None:
    text = b"".join(parts)
    source = parse(text, C)
    if not source.has_error:
        assert not faults(source)
        assert not any(at_fault(source.root, at, at + 5) for at in range(0, len(text), 7))
    else:
        assert faults(source)
        assert at_fault(source.root, 0, len(text))


@pytest.mark.parametrize(
    ("result", "expected"),
    [(MACRO, False), (LEVEL, False), (MACRO * 2, True), (b"int x = = 1;\n", True)],
)
def test_a_result_may_have_the_faults_of_its_sides_and_no_more(result: bytes, expected: bool) -> None:
    assert adds_faults(parse(result, C), [parse(MACRO, C), parse(LEVEL, C)]) == expected


def test_the_faults_of_two_sides_may_meet() -> None:
    wrong = b"int x = = 1;\n"
    assert not adds_faults(
        parse(wrong + LEVEL + MACRO, C), [parse(wrong + LEVEL, C), parse(LEVEL + MACRO, C)]
    )


def test_hunks_at_a_fault_stay_open_and_the_others_are_answered(tmp_path: Path) -> None:
    base = MACRO + OTHER + LEVEL
    upstream = base.replace(b"every(100)", b"every(200)").replace(b"read(a)", b"fetch(a)")
    commit = base.replace(b"every(100)", b"every(300)").replace(b"return b;", b"return scaled(b, UNIT);")
    conflict = conflict_of("a.c", base, upstream, commit, tmp_path)
    assert len(conflict.hunks) == 2

    assert versions(conflict, C).broken == {0}
    said = resolve(conflict, ResolveContext(language=C))

    assert isinstance(said, Candidate)
    assert [answer.index for answer in said.answers] == [1]
    assert said.answers[0].text == b"    int b = fetch(a);\n    return scaled(b, UNIT);\n"


@pytest.mark.parametrize("times", [1, MANY + 1])
def test_where_every_hunk_is_at_fault_or_faults_are_many_nothing_is_answered(
    times: int, tmp_path: Path
) -> None:
    old, one, two = (b"every(100)", b"every(200)", b"every(300)")
    if times > 1:
        old, one, two = (b"return b;", b"return b + 1;", b"return b + 2;")
    base = MACRO * times + OTHER + LEVEL
    conflict = conflict_of("a.c", base, base.replace(old, one), base.replace(old, two), tmp_path)
    with pytest.raises(Doubt) as raised:
        versions(conflict, C)
    assert raised.value.why == "does_not_parse"
    said = resolve(conflict, ResolveContext(language=C))
    assert isinstance(said, Abstain)
    assert said.why == "does_not_parse"
