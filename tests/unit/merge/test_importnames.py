"""The names of one import statement: which the result has, in which order and layout."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Piece
from flowforge.merge.importnames import is_sorted, merge_names
from tests.unit.merge.languages import imports_of

NAMES = st.lists(st.sampled_from(["ant", "bee", "cat", "dog", "Eel"]), min_size=1, unique=True)


def folded(*words: str) -> str:
    """An import whose lines are as full as 79 columns let them be."""
    head, indent = "from zoo import (", " " * 17
    long = [f"a_long_name_of_a_{word}" for word in words]
    lines = [", ".join(long[at : at + 2]) for at in range(0, len(long), 2)]
    return head + (",\n" + indent).join(lines) + ")"


def merged_or_doubt(base: Piece | None, upstream: Piece, commit: Piece) -> str:
    """The merged statement, or the word of the doubt."""
    try:
        return merge_names(base, upstream, commit).decode().rstrip("\n")
    except Doubt as doubt:
        return doubt.why


def names(base: str, upstream: str, commit: str, language: str = "python") -> str:
    one, two, three = (imports_of(text + "\n", language)[0] for text in (base, upstream, commit))
    return merged_or_doubt(one, two, three)


@pytest.mark.parametrize(
    ("language", "base", "upstream", "commit", "merged"),
    [
        # sorted lists stay sorted, whichever side added what
        ("python", "from a import b", "from a import b, c", "from a import b, d", "from a import b, c, d"),
        ("python", "from a import m", "from a import b, m", "from a import m, z", "from a import b, m, z"),
        ("python", "from a import m", "from a import m, z", "from a import b, m", "from a import b, m, z"),
        # lists in no order, to which only one side added a name that the other has not
        ("python", "from a import z, b", "from a import z, q, b", "from a import z, q, b, m",
         "from a import z, q, b, m"),
        ("python", "from a import z, b", "from a import z, q, b, m", "from a import z, q, b",
         "from a import z, q, b, m"),
        # both took the same name away
        ("python", "from a import b, c", "from a import b, d", "from a import b, e", "from a import b, d, e"),
        # the order that both sides put counts, not the one that they left
        ("python", "from a import z, b", "from a import b, m, z", "from a import b, c, z",
         "from a import b, c, m, z"),
        # the same name added by both stands once
        ("python", "from a import b", "from a import b, c", "from a import b, c, d", "from a import b, c, d"),
        # aliases are part of a name
        ("python", "from a import b", "from a import b, c as d", "from a import b, e as f",
         "from a import b, c as d, e as f"),
        # brackets, one name a line
        ("python", "from a import (\n    b,\n)", "from a import (\n    b,\n    c,\n)",
         "from a import (\n    b,\n    d,\n)", "from a import (\n    b,\n    c,\n    d,\n)"),
        # one side put each name on a line of its own, or began to fold
        ("python", "from a import b", "from a import (\n    b,\n    c,\n)", "from a import b, d",
         "from a import (\n    b,\n    c,\n    d,\n)"),
        ("typescript", "import { b } from 'a';", "import { b, c } from 'a';",
         "import {\n  b,\n  d,\n} from 'a';", "import {\n  b,\n  c,\n  d,\n} from 'a';"),
        # names that fill lines are folded anew, where one width alone explains the old lines
        ("python", folded("bear", "cat", "dog", "tiger"), folded("ant", "bear", "cat", "dog", "tiger"),
         folded("bear", "cat", "dog", "eel", "tiger"), folded("ant", "bear", "cat", "dog", "eel", "tiger")),
        # spaces within brackets and comments above it are as the side has them that changed them
        ("javascript", "import {b} from 'a';", "import { b } from 'a';", "import {b, c} from 'a';",
         "import { b, c } from 'a';"),
        ("python", "# one\nfrom a import b", "# one\nfrom a import b, c", "# two\nfrom a import b, d",
         "# two\nfrom a import b, c, d"),
        # uneven lists take the layout of the even one
        ("python", "from a import b, c", "from a import b,  c, d", "from a import b, c, e",
         "from a import b, c, d, e"),
        # other languages
        ("rust", "use a::{b, c};", "use a::{b, c, d};", "use a::{b, c, e};", "use a::{b, c, d, e};"),
        ("scala", "import a.{ b, c }", "import a.{ b, c, d }", "import a.{ a, b, c }", "import a.{ a, b, c, d }"),
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
        ("import_changed", "python", "from a import b, c", "from a import b", "from a import b, c, d"),
        ("import_changed", "python", "from a import b, c", "from a import c, d", "from a import b, c, e"),
        ("import_changed", "python", "# one\nfrom a import b", "# two\nfrom a import b, c",
         "# three\nfrom a import b, d"),
        ("import_layout", "python", "from a import z, b", "from a import z, q, b", "from a import z, b, m"),
        ("import_layout", "python", "from a import b", "from a import z, b", "from a import b, c"),
        ("import_layout", "python", "from a import b, \\\n    c", "from a import b, c, \\\n    d",
         "from a import b, c, \\\n    e"),
        ("import_layout", "python", "from a import (b, c,\n    d)", "from a import (b, c,\n    d, f)",
         "from a import (b, c,\n    d, e)"),
        ("same_name_added", "python", "from a import b", "from a import b, c as x", "from a import b, c as y"),
        ("same_name_added", "scala", "import a.{ b, c }", "import a.{ b, c, d }", "import a.{ b, c, _ }"),
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
    if old - one != old - two:
        assert merged == "import_changed"
        return
    if merged != "import_layout":
        found = merged.removeprefix("from zoo import ").split(", ")
        assert sorted(found) == sorted((one & two) | (one - old) | (two - old))


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
    ("language", "upstream", "commit", "merged"),
    [
        ("python", "from a import b, d", "from a import c", "from a import b, c, d"),
        ("python", "from a import b", "from a import b, c", "from a import b, c"),
        ("javascript", "import { b, d } from 'a';", "import { c } from 'a';", "import { b, c, d } from 'a';"),
        ("rust", "use a::{b, d};", "use a::{c};", "use a::{b, c, d};"),
        # nothing tells in which order
        ("python", "from a import b", "from a import c", "import_layout"),
        ("python", "from a import *", "from a import c", "same_name_added"),
        ("python", "from a import b as x", "from a import b as y", "same_name_added"),
        ("typescript", "import { B } from 'a';", "import type { C } from 'a';", "import_changed"),
    ],
)
def test_imports_that_both_sides_added_are_merged_without_a_base(
    language: str, upstream: str, commit: str, merged: str
) -> None:
    one, two = (imports_of(text + "\n", language)[0] for text in (upstream, commit))
    assert merged_or_doubt(None, one, two) == merged


@pytest.mark.parametrize(
    ("others", "merged"),
    [
        ("from z import a, b\n", "from m import d, e"),
        ("from z import b, a\n", "import_layout"),
        ("", "import_layout"),
    ],
)
def test_the_order_of_single_names_is_that_of_the_files_other_lists(others: str, merged: str) -> None:
    one, two = (imports_of(f"{others}from m import {name}\n")[-1] for name in "ed")
    assert merged_or_doubt(None, one, two) == merged


def test_an_import_may_be_as_long_as_the_files_longest_import_line() -> None:
    long = "from birds import " + ", ".join(f"bird_{n}" for n in range(10)) + "\n"
    base, upstream, commit = (
        imports_of(long + "from animals import " + ", ".join(sorted(["lion", "zebra", *more])) + "\n")[1]
        for more in ([], ["hippopotamus", "orang_utan"], ["rhinoceros", "tiger", "wolf"])
    )
    merged = merged_or_doubt(base, upstream, commit)
    assert 79 < len(merged) <= len(long)
    assert merged.count(",") == 6


@pytest.mark.parametrize(
    ("upstream", "commit", "merged"),
    [
        ("", "# why\n", "# why\nfrom a import b, c, d"),
        ("# why\n", "", "# why\nfrom a import b, c, d"),
        ("# one\n", "# two\n", "import_changed"),
    ],
)
def test_a_comment_above_one_of_two_new_imports_stays(upstream: str, commit: str, merged: str) -> None:
    one = imports_of(upstream + "from a import b, d\n")[0]
    two = imports_of(commit + "from a import c\n")[0]
    assert merged_or_doubt(None, one, two) == merged
