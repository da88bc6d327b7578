"""What two sides' words in one place make of it: the rule, or the doubt."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.merge.doubt import Doubt
from flowforge.merge.tokens import Token, lex, merge_tokens
from flowforge.merge.wording import (
    ADDED,
    BY_WORDS,
    FEW,
    INDENTED,
    MORE,
    NEIGHBOURS,
    ONE_LINE,
    REFORMATTED,
    TEXTS,
    rule_of,
)

PARTS = st.lists(st.sampled_from([b"a", b"b", b"c", b"(", b")", b" ", b"\n", b"  "]), max_size=20).map(
    b"".join
)
ATOMS = {b"text", b"other", b"note"}  # words that stand for a string each


def cut(text: str) -> list[Token]:
    return [replace(token, atom=token.text in ATOMS) for token in lex(text.encode())]


def said(base: str, upstream: str, commit: str) -> str:
    merged = merge_tokens(cut(base), cut(upstream), cut(commit))
    try:
        return rule_of(merged)
    except Doubt as doubt:
        return f"no: {doubt.why}"


def both_ways(base: str, one: str, two: str) -> str:
    there, back = said(base, one, two), said(base, two, one)
    assert there == back
    return there


@pytest.mark.parametrize(
    ("rule", "one", "two"),
    [
        (FEW, "f(x, b, c)\ng(d)\n", "f(a, b, c)\ng(y)\n"),
        (FEW, "f(x, b, c)\ng(d)\n", "f(a, b, c)\ng(not d)\n"),
        (FEW, "h(a, b, c)\ng(d)\n", "f(a, b, c, x)\ng(d)\n"),  # on one line, where one side only adds
        (NEIGHBOURS, "h(x + 1, b, c)\ng(d)\n", "f(a, b, c)\ng(y)\n"),
        (ONE_LINE, "h[0](a, b, c)\ng(d)\n", "f(a, b, c, x)\ng(d)\n"),
        (ADDED, "f(a, b, c)\nh(1)\ng(d)\n", "f(a, x, c)\ng(d)\n"),
        (ADDED, "f(a, b, c)\ng(d)\nh(1)\n", "f(a, b, c)\ng(e(d))\n"),
        (ADDED, "h(1)\nf(a, b, c)\ng(d)\n", "f(x, b, c)\ng(d)\n"),
    ],
)
def test_words_of_both_sides_tell_where_they_stand(rule: str, one: str, two: str) -> None:
    assert both_ways("f(a, b, c)\ng(d)\n", one, two) == rule


@pytest.mark.parametrize(
    ("why", "one", "two"),
    [
        ("one_line", "f(x, b, c)\ng(d)\n", "f(a, b, z)\ng(d)\n"),  # both replace
        ("one_line", "f(x, b, c)\ng(d)\n", "f(a, b)\ng(d)\n"),  # one only removes
        ("both_added", "f(a, b, c, x)\ng(d)\n", "e(f(a, b, c)\ng(d)\n"),  # on one line
        ("both_added", "f(a, b, c, x)\ng(d)\n", "f(a, b, c)\ng(d, y)\n"),  # on two
    ],
)
def test_words_that_people_seldom_keep_both_of_are_a_doubt(why: str, one: str, two: str) -> None:
    assert both_ways("f(a, b, c)\ng(d)\n", one, two) == f"no: {why}"


def test_a_name_that_both_sides_lengthen_at_the_front_of_a_line_is_no_added_line() -> None:
    assert both_ways("f()\nb.c.d\n", "f()\nx.b.c.d\n", "f()\nb.c.y.d\n") == "no: both_added"


@pytest.mark.parametrize(
    ("rule", "base", "same", "more"),
    [
        # the same word replaced, and another one
        (MORE, "f(a, b, c)\n", "f(x, b, c)\n", "f(x, b, z)\n"),
        # the same line added, and an argument
        (MORE, "f(a, b)\n", "k()\nf(a, b)\n", "k()\nf(a, b, c)\n"),
        # the same word, and a text
        (TEXTS, "f(a, b, text)\n", "f(x, b, text)\n", "f(x, b, other)\n"),
        # the same word, and one less
        ("no: removed_beside", "f(a, b, c)\n", "f(x, b, c)\n", "f(x, b)\n"),
    ],
)
def test_one_side_may_make_the_others_change_and_more(rule: str, base: str, same: str, more: str) -> None:
    assert both_ways(base, same, more) == rule


@pytest.mark.parametrize(
    ("rule", "base", "layout", "words"),
    [
        (INDENTED, "f(a)\ng(b)\n", "  f(a)\n  g(b)\n", "f(a)\ng(c)\n"),
        ("no: reformatted", "f( a,b )\n", "f(a, b)\n", "f( a,c )\n"),
        (REFORMATTED, "f(a, b)\ng(c)\n", "  f(a,\n    b)\n  g(c)\n", "f(a, b)\ng(d)\n"),
        # the whitespace stands directly before the changed word
        (INDENTED, "f(a)\ng(b)\n", "f(a)\n  g(b)\n", "f(a)\nh(b)\n"),
        ("no: reformatted", "f(a, b)\n", "f(\n  a, b)\n", "f(a, c)\n"),
        ("no: reformatted", "f(\n  a, b)\n", "f(a, b)\n", "f(\n  a, c)\n"),
    ],
)
def test_a_side_that_only_lays_out_anew_tells_how(rule: str, base: str, layout: str, words: str) -> None:
    assert both_ways(base, layout, words) == rule


@pytest.mark.parametrize(
    ("rule", "one"),
    [
        (REFORMATTED, "f(\n  a, x)\ng(c)\n"),
        ("no: reindented", "  f(x, b)\n  g(c)\n"),
    ],
)
def test_a_new_layout_beside_changed_words_of_both_sides_tells_how(rule: str, one: str) -> None:
    assert both_ways("f(a, b)\ng(c)\n", one, "f(a, b)\ng(d)\n") == rule


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("f(other, b)\ng(c)\n", "f(text, b)\ng(d)\n"),
        ("f(text, b)\nnote\ng(c)\n", "f(text, b)\ng(d)\n"),
    ],
)
def test_a_changed_text_or_comment_beside_other_words_is_a_doubt(one: str, two: str) -> None:
    assert both_ways("f(text, b)\ng(c)\n", one, two) == "no: texts"


@given(PARTS, PARTS, PARTS)
def test_sides_may_change_places_and_every_rule_is_known(base: bytes, one: bytes, two: bytes) -> None:
    try:
        merge_tokens(lex(base), lex(one), lex(two))
    except Doubt:
        return
    there = both_ways(base.decode(), one.decode(), two.decode())
    assert there in BY_WORDS or there.startswith("no: ")
