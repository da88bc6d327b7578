from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.merge.doubt import Doubt
from flowforge.merge.tokens import MAX_TOKENS, Token, cut, lex, merge_tokens

TEXTS = st.lists(st.sampled_from([b"a", b"b", b"(", b")", b" ", b"\n", b"  "]), max_size=20).map(b"".join)


def merge(base: bytes, upstream: bytes, commit: bytes) -> bytes:
    return merge_tokens(lex(base), lex(upstream), lex(commit)).text


@given(TEXTS)
def test_cutting_loses_no_byte(text: bytes) -> None:
    assert b"".join(token.lead + token.text for token in lex(text)) == text


@given(TEXTS, TEXTS)
def test_a_side_that_changed_nothing_gives_the_other(base: bytes, changed: bytes) -> None:
    assert merge(base, base, changed) == changed
    assert merge(base, changed, base) == changed


@given(TEXTS, TEXTS, TEXTS)
def test_sides_may_change_places(base: bytes, one: bytes, two: bytes) -> None:
    assert outcome(base, one, two) == outcome(base, two, one)


def outcome(base: bytes, one: bytes, two: bytes) -> bytes | str:
    try:
        return merge(base, one, two)
    except Doubt as doubt:
        return doubt.why


def test_edits_of_different_words_on_one_line_merge() -> None:
    assert merge(b"f(a, b, c)\n", b"f(x, b, c)\n", b"f(a, b, z)\n") == b"f(x, b, z)\n"


@pytest.mark.parametrize(
    ("upstream", "commit"),
    [
        (b"f(x, b)\n", b"f(y, b)\n"),  # the same word
        (b"f(x, b)\n", b"g(a, b)\n".replace(b"g(a", b"f[a")),  # words side by side
        (b"f(a, b, u)\n", b"f(a, b, c)\n"),  # both put something in one place
    ],
)
def test_edits_that_touch_are_a_doubt(upstream: bytes, commit: bytes) -> None:
    with pytest.raises(Doubt) as raised:
        merge(b"f(a, b)\n", upstream, commit)
    assert raised.value.why == "same_tokens"


def test_reformatting_by_one_side_survives_an_edit_within_a_line_by_the_other() -> None:
    assert merge(b"f( a,b )\n", b"f(a, b)\n", b"f( a,c )\n") == b"f(a, c)\n"


def test_a_line_added_between_re_indented_lines_is_a_doubt() -> None:
    with pytest.raises(Doubt) as raised:
        merge(b"a()\nb()\n", b"  a()\n  b()\n", b"a()\nn()\nb()\n")
    assert raised.value.why == "reindented"


def test_two_layouts_of_one_place_are_a_doubt() -> None:
    with pytest.raises(Doubt) as raised:
        merge(b"f(a,b)\n", b"f(a, b)\n", b"f(a,\tb)\n")
    assert raised.value.why == "reformatted"


def test_layouts_of_different_places_by_both_sides_are_a_doubt() -> None:
    with pytest.raises(Doubt) as raised:
        merge(b"f(a ,b) + g(c ,d)\n", b"f(a, b) + g(c ,d)\n", b"f(a ,b) + g(c, d)\n")
    assert raised.value.why == "reformatted"


def test_the_distance_between_edits_is_told() -> None:
    near = merge_tokens(lex(b"a b c"), lex(b"x b c"), lex(b"a b z"))
    assert (near.text, near.apart) == (b"x b z", 1)


def test_one_sides_edits_alone_are_as_far_apart_as_can_be() -> None:
    assert merge_tokens(lex(b"a b c"), lex(b"x b z"), lex(b"a b c")).apart == MAX_TOKENS


def test_a_place_that_is_too_large_is_a_doubt() -> None:
    long = b"a " * (MAX_TOKENS + 1)
    with pytest.raises(Doubt) as raised:
        merge(b"a", long, b"b")
    assert raised.value.why == "too_large"


def test_spans_of_leaves_are_counted_from_the_offset() -> None:
    assert cut(b"ab  cd\n", [(10, 12, False), (14, 16, True)], 10) == [
        Token(b"", b"ab"),
        Token(b"  ", b"cd", atom=True),
        Token(b"\n", b""),
    ]


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "merged"),
    [
        # one side wraps a word in a call while the other changes the first word of the next line
        ("a = x, 1\nb = y\n", "a = f(x), 1\nb = y\n", "a = x, 1\nc = y\n", "a = f(x), 1\nc = y\n"),
        ("a = x, 1\nb = y\n", "a = x, 1\nc = y\n", "a = f(x), 1\nb = y\n", "a = f(x), 1\nc = y\n"),
        # the line end of one side, the word of the other
        ("f(a, b, c)\n", "f(a, b, c)\r\n", "f(d, b, c)\n", "f(d, b, c)\r\n"),
        # a line added by one side below a line that the other edits
        ("f(a, b)\ng()\n", "f(a, b)\ng()\nh()\n", "f(c, b)\ng()\n", "f(c, b)\ng()\nh()\n"),
        # words removed at one place, added at another
        ("f(a, b, c, d)\n", "f(b, c, d)\n", "f(a, b, c, d, e)\n", "f(b, c, d, e)\n"),
        # bytes outside ASCII are parts of words
        ("f(\u00fc, b, c)\n", "f(\u00f6, b, c)\n", "f(\u00fc, b, d)\n", "f(\u00f6, b, d)\n"),
        # tabs stay tabs
        ("\tf(a, b, c)\n", "\tf(x, b, c)\n", "\tf(a, b, y)\n", "\tf(x, b, y)\n"),
    ],
)
def test_words_of_both_sides_are_kept(base: str, upstream: str, commit: str, merged: str) -> None:
    assert merge(base.encode(), upstream.encode(), commit.encode()) == merged.encode()


@pytest.mark.parametrize(
    ("why", "base", "upstream", "commit"),
    [
        # indentation by one side, new lines by the other
        ("reindented", "a()\nb()\n", "\ta()\n\tb()\n", "a()\nc()\nd()\nb()\n"),
        # the removed words had a layout of their own on the other side
        ("reformatted", "f(a, b, c)\n", "f(a,\n  b, c)\n", "f(a, c)\n"),
        # both changed the gap before one word
        ("reformatted", "f(a, b)\n", "f(a,  b)\n", "f(a,\tb)\n"),
        ("same_tokens", "f(a)\n", "f(a, b)\n", "f(a, c)\n"),
        ("same_tokens", "", "a\n", "b\n"),
    ],
)
def test_a_layout_that_cannot_be_kept_is_a_doubt(why: str, base: str, upstream: str, commit: str) -> None:
    texts = base.encode(), upstream.encode(), commit.encode()
    assert outcome(*texts) == why
    assert outcome(texts[0], texts[2], texts[1]) == why


@given(TEXTS, TEXTS, TEXTS)
def test_no_word_that_one_side_added_is_lost(base: bytes, one: bytes, two: bytes) -> None:
    merged = outcome(base, one, two)
    if isinstance(merged, str):
        return
    old, first, second, new = (Counter(t.text for t in lex(text)) for text in (base, one, two, merged))
    for word in first:
        if word and first[word] > old[word] and second[word] >= old[word]:
            assert new[word] >= first[word]


@given(TEXTS, TEXTS)
def test_the_same_change_on_both_sides_is_taken_once(base: bytes, changed: bytes) -> None:
    assert merge(base, changed, changed) == changed


@given(TEXTS, TEXTS, TEXTS)
def test_the_distance_between_edits_does_not_know_which_side_is_upstream(
    base: bytes, one: bytes, two: bytes
) -> None:
    rows = lex(base), lex(one), lex(two)
    try:
        there = merge_tokens(*rows)
    except Doubt:
        return
    assert there.apart == merge_tokens(rows[0], rows[2], rows[1]).apart
    assert 0 <= there.apart <= MAX_TOKENS
