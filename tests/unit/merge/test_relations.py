"""How two changes of one hunk relate: tables of one case a line, and that the sides may change places."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.conflict import Hunk
from flowforge.merge.doubt import Doubt
from flowforge.merge.names import uses
from flowforge.merge.relations import (
    BESIDE,
    BESIDE_NAMES,
    CHANGED_IMPORTS,
    LINES,
    SIMILAR,
    WITHIN,
    WITHIN_IMPORTS,
    Files,
    changes,
    check_twice,
    rule_of_definitions,
    rule_of_lines,
)
from flowforge.merge.weave import DEFINITIONS

IMPORTS = frozenset({b"import a", b"import b", b"import c"})
TEXTS = st.lists(
    st.sampled_from(["import a\n", "total = 1\n", "total  =  1\n", "\n", "f(total)\n", "g(x)\n"]), max_size=4
).map("".join)


def hunk(base: str, upstream: str, commit: str) -> Hunk:
    return Hunk(index=0, base=base.encode(), upstream=upstream.encode(), commit=commit.encode())


def of_lines(base: str, upstream: str, commit: str) -> str:
    try:
        return rule_of_lines(hunk(base, upstream, commit), IMPORTS)
    except Doubt as doubt:
        return doubt.why


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "rule"),
    [
        ("", "x = 1\n", "x = 1\ny = 2\n", WITHIN),
        ("a()\n", "b()\n", "b()\nc()\n", WITHIN),
        ("a()\n", "", "", WITHIN),
        ("a()\n", "\na()\n", "a()\nc()\n", WITHIN),  # blank lines are no change of their own
        ("", "import a\n", "import a\nimport b\n", WITHIN_IMPORTS),
        ("import a\n", "import a\nimport b\n", "x = 1\n", CHANGED_IMPORTS),
        ("import a\nimport b\n", "import b\n", "import a\nimport c\n", CHANGED_IMPORTS),
        ("x = 1\n", "x = 2\n", "total()\nx = 1\n", BESIDE),
        ("# about x\n", "# of x\n", "total(x)\n# about x\n", BESIDE_NAMES),
        ("x = 1\ny = 1\n", "x = 2\ny = 1\n", "x = 1\ny = 2\n", LINES),
        ("x = 1\n", "z = 1\nx = 1\n", "x = 1\ny = 2\n", LINES),
        ("x = 1\n", "x   = 1\n", "x = 1\ny = 2\n", "reformatted"),
        ("import a\n", "import  a\n", "import a\nimport b\n", "reformatted"),
        ("x = 1\n", "x   = 1\n", "x   = 1\ny = 2\n", WITHIN),  # both of them laid it out
    ],
)
def test_lines_are_kept_by_a_rule_that_says_how_the_changes_lie(
    base: str, upstream: str, commit: str, rule: str
) -> None:
    assert of_lines(base, upstream, commit) == rule
    assert of_lines(base, commit, upstream) == rule


@given(TEXTS, TEXTS, TEXTS)
def test_the_sides_may_change_places(base: str, upstream: str, commit: str) -> None:
    assert of_lines(base, upstream, commit) == of_lines(base, commit, upstream)


@given(TEXTS, TEXTS, TEXTS)
def test_a_change_that_both_made_belongs_to_neither(base: str, upstream: str, commit: str) -> None:
    one, two = changes(hunk(base, upstream, commit))
    assert not one.added & two.added
    assert not one.removed & two.removed
    assert not any(changes(hunk(base, upstream, upstream)))


def of_definitions(base: str, upstream: str, commit: str, text: str | None = None, known: str = "") -> str:
    merged = upstream + commit if text is None else text
    try:
        names = uses((base + known).encode())
        return rule_of_definitions(hunk(base, upstream, commit), merged.encode(), names)
    except Doubt as doubt:
        return doubt.why


ONE = "def first(queue):\n    queue.drain(now)\n    return queue.size\n"
TWO = "def second(path):\n    path.remove(all)\n    return path.name\n"
ALIKE = "def second(queue):\n    queue.drain(now)\n    return queue.size\n"
KIN = "def second(queue):\n    queue.close(now)\n    wait(queue)\n"


@pytest.mark.parametrize(
    ("upstream", "commit", "text", "known", "rule"),
    [
        (ONE, TWO, None, "def return", DEFINITIONS),
        (ONE, ALIKE, None, "def return queue drain now size", SIMILAR),  # the same lines
        (ONE, KIN, None, "def return", SIMILAR),  # the same new name: queue
        (ONE, ALIKE, None, "def return", "made_twice"),  # both of it
        (
            ONE + TWO,
            ONE + KIN,
            ONE + TWO + KIN,
            "def return",
            SIMILAR,
        ),  # one definition that both added, once
        (ONE, "def g(n):\n    n()\n", None, "def return", DEFINITIONS),  # names too short to tell anything
    ],
)
def test_definitions_that_look_like_each_other_have_a_rule_of_their_own(
    upstream: str, commit: str, text: str | None, known: str, rule: str
) -> None:
    assert of_definitions("", upstream, commit, text, known) == rule
    assert of_definitions("", commit, upstream, text, known) == rule


def twice(base: str, upstream: str, commit: str, text: str) -> str:
    files = Files.of([side.encode() for side in (base, upstream, commit)], text.encode())
    try:
        check_twice(hunk(base, upstream, commit), text.encode(), files)
    except Doubt as doubt:
        return doubt.why
    return ""


LONG = "registry.flush()\n"


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "text", "doubt"),
    [
        ("", f"a()\n{LONG}", f"{LONG}b()\n", f"a()\n{LONG}b()\n", ""),
        ("", f"a()\n{LONG}", f"b()\n{LONG}", f"a()\n{LONG}b()\n{LONG}", "made_twice"),
        (LONG, LONG + LONG, LONG + LONG, LONG * 3, ""),  # such lines stand in this file anyway
        ("", f"a()\n{LONG * 2}", "b()\n", f"a()\n{LONG * 2}b()\n", ""),  # one side means it twice
        ("", "end\na()\n", "end\nb()\n", "end\na()\nend\nb()\n", ""),  # too short to tell anything
        ("f(a, b, c, d)\n", "f(x, b, c, d)\n", "f(a, b, c, z)\n", "f(x, b, c, z)\n", ""),  # on neither side
    ],
)
def test_a_new_line_that_each_side_put_elsewhere_is_a_doubt(
    base: str, upstream: str, commit: str, text: str, doubt: str
) -> None:
    assert twice(base, upstream, commit, text) == doubt
    assert twice(base, commit, upstream, text) == doubt


def test_lines_are_counted_without_their_indentation_and_blank_ones_not_at_all() -> None:
    files = Files.of([b"", b"  a\n\n", b"\ta\n"], b"a\n\n a\n")
    assert files.upstream == files.commit == Counter({b"a": 1})
    assert files.result == Counter({b"a": 2})
