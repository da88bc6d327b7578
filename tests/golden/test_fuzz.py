"""The fuzzer's slice of every run, and that its properties see what they are for."""

import os
import secrets
from random import Random

import pytest

from flowforge.core.conflict import Hunk, HunkAnswer, resolve_with
from flowforge.resolve.rungs import language_of
from tests.golden import properties
from tests.golden.fuzz import LINES, SEEDS, conflict_of, registry, run, sources, triples
from tests.golden.guided import once
from tests.golden.mutations import COMMON, SELDOM, mutate

COUNT = int(os.environ.get("FLOWFORGE_FUZZ", "5000"))


def test_mutated_triples_end_in_an_answer_that_fits_or_in_none() -> None:
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")
    tally = run(COUNT, seed)
    assert tally.wrong == []
    assert tally.triples == COUNT
    assert tally.conflicts > COUNT / 3
    assert len(tally.answered) > 10, "too few formats were answered for the search to mean anything"


def rng(seed: int) -> Random:
    return Random(seed)  # noqa: S311 (repeatable, not secret)


def test_the_same_seed_makes_the_same_triples_and_none_has_more_lines_than_said() -> None:
    first, second = (list(triples(rng(7), 200)) for _ in range(2))
    assert first == second
    assert max(text.count(b"\n") for _, *texts in first for text in texts) <= LINES


def test_every_language_that_is_shipped_has_texts_to_begin_from() -> None:
    languages = registry().languages.values()
    begun = {found.id for path, _ in sources() if (found := language_of(path, languages)) is not None}
    assert {language.id for language in languages} - begun == set()


def test_every_mutation_changes_something() -> None:
    chance = rng(3)
    for mutation in (*COMMON, *SELDOM):
        lines = [b"one two\n", b"three four\n", b"  five six\n"]
        changed = False
        for _ in range(20):
            after = list(lines)
            mutation(chance, after)
            changed = changed or after != lines
        assert changed, mutation.__name__


def answered(text: bytes, *, base: bytes, upstream: bytes, commit: bytes, path: str = "a.py") -> list[str]:
    """What the properties say of an answer to the only hunk of a file."""
    conflict = conflict_of(path, base, upstream, commit)
    (hunk,) = conflict.hunks
    answer = HunkAnswer(index=0, text=text, rung="test", rule="test", why="")
    found = resolve_with(conflict, [answer])
    language = language_of(path, registry().languages.values())
    said = [properties.unfit(found), properties.unread(found)]
    said += [check(hunk, answer) for check in (properties.lost, properties.resurrected, properties.marked)]
    said += [properties.broken(found, language)] if language is not None else []
    return [problem for problem in said if problem]


def test_an_answer_with_the_changes_of_both_sides_is_right() -> None:
    assert (
        answered(b"a = f(2, 3)\n", base=b"a = f(1)\n", upstream=b"a = f(2)\n", commit=b"a = f(1, 3)\n") == []
    )


def test_a_word_that_one_side_added_and_the_answer_lacks_is_lost() -> None:
    said = answered(b"a = f(2)\n", base=b"a = f(1)\n", upstream=b"a = f(2)\n", commit=b"a = f(1, three)\n")
    assert said == ["b'three' was lost by test, test"]


def test_a_line_that_one_side_removed_may_not_come_back() -> None:
    base = b"first_line = 1\nsecond_line = 2\n"
    said = answered(
        b"first_line = 1\nsecond_line = 3\n",
        base=base,
        upstream=b"second_line = 2\n",
        commit=base.replace(b"2", b"3"),
    )
    assert "b'first_line=1' came back by test, test" in said


def test_a_line_like_a_marker_that_no_side_had_is_seen() -> None:
    said = answered(b"<<<<<<< x\n2\n3\n", base=b"1\n", upstream=b"2\n", commit=b"3\n", path="a.txt")
    assert said == ["b'<<<<<<< x\\n' looks like a marker"]


def test_a_result_that_does_not_parse_where_all_sides_do_is_broken() -> None:
    said = answered(b"def f(:\n", base=b"x = 1\n", upstream=b"x = 2\n", commit=b"x = 3\n")
    assert any("does_not_parse" in problem for problem in said)


def test_a_definition_that_the_answer_doubled_is_seen() -> None:
    base, new = b"x = 1\n", b"def f():\n    return 1\n"
    said = answered(b"x = 1\n" + new + new, base=base, upstream=base + new, commit=new)
    assert any("duplicate" in problem for problem in said)


def test_real_json_must_stay_real_json() -> None:
    said = answered(b"[2, 3,]\n", base=b"[1]\n", upstream=b"[2]\n", commit=b"[3]\n", path="a.json")
    assert "the result is no JSON" in said


@pytest.mark.parametrize("path", sorted(SEEDS))
def test_a_mutated_seed_is_another_text_most_of_the_time(path: str) -> None:
    chance = rng(1)
    texts = {mutate(chance, SEEDS[path]) for _ in range(20)}
    assert len(texts) > 10


def test_segments_in_process_give_the_sides_back() -> None:
    base, upstream, commit = b"a\nb\nc\n", b"a\nx\nc\n", b"a\ny\nc\n"
    assert properties.segments_of(base, upstream, commit) == (
        b"a\n",
        Hunk(index=0, base=b"b\n", upstream=b"x\n", commit=b"y\n"),
        b"c\n",
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\7a\nb\nc\n\0a\nx\nc\n\0a\ny\nc\n",
        b"\0[a]\nb = 1\n\0[a]\nb = 2\n\0[a]\nb = 1\nc = 3\n",
        b"\7<<<<<<< a\n\0=======\n\0>>>>>>> b\n",
        b"\6- one\n\0- two\n- one\n\0- three\n- one\n",
    ],
)
def test_the_guided_search_takes_any_bytes(data: bytes) -> None:
    once(data)
