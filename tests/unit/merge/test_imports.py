"""Imports as a set: names within one statement, the order of a block, and what may not be brought twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.merge.doubt import Doubt
from flowforge.merge.imports import (
    block_of,
    brought,
    check_bound,
    is_sorted,
    merge_names,
    sorted_by,
)
from tests.unit.merge.languages import imports_of, pieces

NAMES = st.lists(st.sampled_from(["ant", "bee", "cat", "dog", "Eel"]), min_size=1, unique=True)


def names(base: str, upstream: str, commit: str, language: str = "python") -> str:
    """The merged statement, or the word of the doubt."""
    triple = [imports_of(text + "\n", language)[0] for text in (base, upstream, commit)]
    try:
        return merge_names(*triple).decode().rstrip("\n")
    except Doubt as doubt:
        return doubt.why


@pytest.mark.parametrize(
    ("language", "base", "upstream", "commit", "merged"),
    [
        # sorted lists stay sorted, whichever side added what
        ("python", "from a import b", "from a import b, c", "from a import b, d", "from a import b, c, d"),
        ("python", "from a import m", "from a import b, m", "from a import m, z", "from a import b, m, z"),
        ("python", "from a import m", "from a import m, z", "from a import b, m", "from a import b, m, z"),
        # lists in no order: after the name that it followed
        ("python", "from a import z, b", "from a import z, q, b", "from a import z, b, m",
         "from a import z, q, b, m"),
        # removed by one side, added by the other
        ("python", "from a import b, c", "from a import b", "from a import b, c, d", "from a import b, d"),
        ("python", "from a import b, c", "from a import b, c, d", "from a import c", "from a import c, d"),
        # the same name added by both stands once
        ("python", "from a import b", "from a import b, c", "from a import b, c, d", "from a import b, c, d"),
        # aliases are part of a name
        ("python", "from a import b", "from a import b, c as d", "from a import b, e as f",
         "from a import b, c as d, e as f"),
        # brackets, one name a line
        ("python", "from a import (\n    b,\n)", "from a import (\n    b,\n    c,\n)",
         "from a import (\n    b,\n    d,\n)", "from a import (\n    b,\n    c,\n    d,\n)"),
        # other languages
        ("javascript", "import { b } from 'a';", "import { b, c } from 'a';", "import { b, d } from 'a';",
         "import { b, c, d } from 'a';"),
        ("typescript", "import type { B } from 'a';", "import type { B, C } from 'a';",
         "import type { B, D } from 'a';", "import type { B, C, D } from 'a';"),
        ("typescript", "import { b } from 'a';", "import { b, c as x } from 'a';", "import { A, b } from 'a';",
         "import { A, b, c as x } from 'a';"),
    ],
)  # fmt: skip
def test_names_of_one_import_merge_as_a_set(
    language: str, base: str, upstream: str, commit: str, merged: str
) -> None:
    assert names(base, upstream, commit, language) == merged


@pytest.mark.parametrize(
    ("why", "language", "base", "upstream", "commit"),
    [
        ("import_changed", "python", "from a import b", "from x.a import b, c", "from a import b, d"),
        ("import_changed", "python", "from a import b, c", "from a import b", "from a import c"),
        ("import_changed", "javascript", "import b from 'a';", "import b, { c } from 'a';", "import d from 'a';"),
        ("import_changed", "javascript", "import { b } from 'a';", "import { b, c } from 'a'", "import { b, d } from 'a';"),
        ("import_layout", "python", "from a import b, c", "from a import b,  c, d", "from a import b, c, e"),
        ("import_layout", "python", "from a import (\n    b,\n)", "from a import (\n    b,  # why\n    c,\n)",
         "from a import (\n    b,\n    d,\n)"),
        ("import_layout", "python", "from animals import lion, tiger, wolf, zebra",
         "from animals import lion, rhinoceros, tiger, wolf, zebra",
         "from animals import hippopotamus, lion, orang_utan, tiger, wolf, zebra"),
    ],
)  # fmt: skip
def test_an_import_changed_in_more_than_its_names_is_a_doubt(
    why: str, language: str, base: str, upstream: str, commit: str
) -> None:
    assert names(base, upstream, commit, language) == why


@given(NAMES, NAMES, NAMES)
def test_a_merged_import_holds_what_three_sets_would(
    base: list[str], upstream: list[str], commit: list[str]
) -> None:
    merged = names(*(f"from zoo import {', '.join(row)}" for row in (base, upstream, commit)))
    old, one, two = set(base), set(upstream), set(commit)
    wanted = (one & two) | (one - old) | (two - old)
    if not wanted:
        assert merged == "import_changed"
        return
    found = merged.removeprefix("from zoo import ").split(", ")
    assert sorted(found) == sorted(wanted)


@given(NAMES, NAMES)
def test_a_side_that_changed_nothing_gives_the_other_sides_names(base: list[str], changed: list[str]) -> None:
    texts = [f"from zoo import {', '.join(row)}" for row in (base, changed)]
    merged = names(texts[0], texts[1], texts[0])
    assert merged == texts[1]
    other = names(texts[0], texts[0], texts[1])
    assert sorted(other.removeprefix("from zoo import ").split(", ")) == sorted(changed)


@given(NAMES, NAMES, NAMES)
def test_sorted_names_merge_alike_whichever_side_is_upstream(
    base: list[str], one: list[str], two: list[str]
) -> None:
    texts = [f"from zoo import {', '.join(sorted(row))}" for row in (base, one, two)]
    assert names(*texts) == names(texts[0], texts[2], texts[1])


@pytest.mark.parametrize(
    ("words", "plain", "folded"),
    [
        ([b"a", b"b"], True, True),
        ([b"B", b"a"], True, False),
        ([b"a", b"B"], False, True),
        ([b"b", b"a"], False, False),
        ([], True, True),
    ],
)
def test_a_list_is_sorted_by_an_order(words: list[bytes], plain: bool, folded: bool) -> None:
    assert is_sorted(words, lambda word: word) is plain
    assert is_sorted(words, lambda word: (word.lower(), word)) is folded


@pytest.mark.parametrize(
    ("language", "upstream", "commit", "known"),
    [
        ("python", "import a\nimport c\n", "import a\nimport b\n", True),
        ("python", "import c\nimport a\n", "import a\nimport b\n", False),
        ("python", "import a\nfrom b import c\n", "import a\nfrom d import e\n", False),
        ("python", "from a import x\nfrom b import c\n", "from a import x\nfrom d import e\n", True),
        ("javascript", "import z from 'a';\nimport b from 'c';\n", "import x from 'a';\n", True),
        ("go", 'package p\n\nimport (\n\t"a"\n\t"c"\n)\n', 'package p\n\nimport (\n\t"a"\n\t"b"\n)\n', True),
        ("java", "import a.B;\nimport a.C;\n", "import a.B;\nimport b.A;\n", True),
    ],
)
def test_the_order_that_both_sides_keep_is_found(
    language: str, upstream: str, commit: str, known: bool
) -> None:
    order = sorted_by(imports_of(upstream, language), imports_of(commit, language))
    assert (order is not None) is known


def test_a_found_order_ranks_a_new_import_among_the_others() -> None:
    row = imports_of("import a\nimport c\n")
    order = sorted_by(row, row)
    assert order is not None
    (new,) = imports_of("import b\n")
    assert order(row[0]) < order(new) < order(row[1])  # type: ignore[operator]  # one kind of key


def test_a_block_of_imports_ends_at_a_blank_line_and_at_other_statements() -> None:
    row = pieces("import a\n\nimport b\nimport c\nimport d\nx = 1\nimport e\n")
    middle = next(i for i, piece in enumerate(row) if piece.text == b"import c\n")
    found = block_of(row, slice(middle, middle + 1))
    # the piece with the blank line before it begins the next block backwards, so it is left out
    assert [piece.text for piece in found][-2:] == [b"import c\n", b"import d\n"]
    assert b"import a\n" not in [piece.text for piece in found]
    assert b"import e\n" not in [piece.text for piece in found]


@pytest.mark.parametrize(
    ("language", "upstream", "commit", "clash"),
    [
        ("python", "from a import x\n", "from b import x\n", True),
        ("python", "from a import x\n", "from a import y\n", False),
        ("python", "from a import x as y\n", "from b import y\n", True),
        ("python", "import a.x\n", "import b.x\n", True),
        ("python", "import json\n", "import os\n", False),
        ("go", 'package p\n\nimport "old/codec"\n', 'package p\n\nimport "new/codec"\n', True),
        ("go", 'package p\n\nimport (\n\tx "old/codec"\n)\n', 'package p\n\nimport (\n\ty "new/codec"\n)\n', False),
        ("go", 'package p\n\nimport (\n\tx "a"\n)\n', 'package p\n\nimport (\n\tx "b"\n)\n', True),
        ("java", "import java.util.Date;\n", "import java.sql.Date;\n", True),
        ("java", "import java.util.*;\n", "import java.sql.*;\n", False),
        ("java", "import static a.B.zero;\n", "import static a.C.zero;\n", True),
        ("javascript", "import { x } from 'a';\n", "import { x } from 'b';\n", True),
        ("javascript", "import x from 'a';\n", "import y from 'a';\n", False),
        ("javascript", "import './a.css';\n", "import './b.css';\n", True),  # errs towards a doubt
        ("typescript", "import type { X } from 'a';\n", "import { X } from 'b';\n", True),
        ("typescript", "import type { X } from 'a';\n", "import type { Y } from 'b';\n", False),
    ],
)  # fmt: skip
def test_one_name_from_two_places_is_a_doubt(language: str, upstream: str, commit: str, clash: bool) -> None:
    rows = imports_of(upstream, language), imports_of(commit, language)
    if not clash:
        check_bound(*rows)
        return
    with pytest.raises(Doubt) as raised:
        check_bound(*rows)
    assert raised.value.why == "same_name_added"


def test_names_of_several_imports_are_one_set() -> None:
    assert brought(imports_of("import os\nfrom a import b, c\n")) == {b"os", b"b", b"c"}
    assert brought([]) == frozenset()
