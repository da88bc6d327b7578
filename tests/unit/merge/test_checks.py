"""What a merged text must pass: tables of one case a line, and what must hold for any texts."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.conflict import Hunk
from flowforge.merge.checks import check, check_hunk, check_twins, check_words
from flowforge.merge.doubt import Doubt
from flowforge.merge.syntax import Source
from flowforge.merge.tokens import lex
from tests.unit.merge.languages import pieces, source

LINES = st.lists(st.sampled_from(["total = 1\n", "print(x)\n", "f(a, b)\n", "}\n", "\n"]), max_size=5).map(
    "".join
)


def hunk(base: str, upstream: str, commit: str) -> Hunk:
    return Hunk(index=0, base=base.encode(), upstream=upstream.encode(), commit=commit.encode())


def why(base: str, upstream: str, commit: str, text: str, *, words: bool = False) -> str:
    try:
        check_hunk(hunk(base, upstream, commit), text.encode(), words=words)
    except Doubt as doubt:
        return doubt.why
    return ""


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "text", "doubt"),
    [
        ("", "a1\n", "b1\n", "a1\nb1\n", ""),
        ("", "a1\n", "b1\n", "a1\n", "lost"),
        ("", "a1\n", "b1\n", "a1\nb1\nb1\n", "doubled"),
        ("", "a1\n", "b1\n", "a1\nb1\nc1\n", "doubled"),  # nobody wrote c1
        ("old\n", "old\na1\n", "b1\n", "a1\nb1\n", ""),  # the commit removed it, upstream left it
        ("old\n", "old\na1\n", "b1\n", "old\na1\nb1\n", "doubled"),  # a removed word came back
        ("x y\n", "x y x\n", "y\n", "y x\n", "opposed"),  # one side uses more of what the other removes
        ("", "same\nu1\n", "same\nc1\n", "same\nu1\nc1\n", ""),  # both added one word: once or twice
        ("", "same\nu1\n", "same\nc1\n", "same\nu1\nsame\nc1\n", ""),
        ("", "same\nu1\n", "same\nc1\n", "u1\nc1\n", "lost"),
        ("line one\nline two\n", "line one\n", "line two\n", "", "both_removed"),
        ("line one\nline two\n", "line one\n", "line one\n", "line one\n", ""),  # the same one
        ("", "=======\n", "b1\n", "=======\nb1\n", "markers"),
        ("", "<<<<<<< HEAD\n", "b1\n", "<<<<<<< HEAD\nb1\n", "markers"),
        ("", "a = '<<<<<<<'\n", "b1\n", "a = '<<<<<<<'\nb1\n", ""),  # not at the beginning of a line
    ],
)
def test_a_hunks_text_loses_nothing_and_doubles_nothing(
    base: str, upstream: str, commit: str, text: str, doubt: str
) -> None:
    assert why(base, upstream, commit, text) == doubt
    assert why(base, commit, upstream, text) == doubt


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "text", "doubt"),
    [
        # one word that both put into one call, at two places
        (
            "cut(title)\n",
            "cut(title, limit)\n",
            "cut(limit, title)\n",
            "cut(limit, title, limit)\n",
            "doubled",
        ),
        ("cut(title)\n", "cut(title, limit)\n", "cut(first, title)\n", "cut(first, title, limit)\n", ""),
        # the same pair of words at two places
        ("a(x) b(y)\n", "a(x, n=1) b(y)\n", "a(x) b(y, n=1)\n", "a(x, n=1) b(y, n=1)\n", "doubled"),
    ],
)
def test_what_both_sides_add_to_words_is_one_change(
    base: str, upstream: str, commit: str, text: str, doubt: str
) -> None:
    assert why(base, upstream, commit, text, words=True) == doubt
    assert why(base, commit, upstream, text, words=True) == doubt


@given(LINES, LINES)
def test_a_side_alone_passes_every_check(base: str, changed: str) -> None:
    assert why(base, base, changed, changed, words=True) == ""
    assert why(base, changed, base, changed, words=True) == ""
    assert why(base, changed, changed, changed, words=True) == ""


@given(LINES, LINES, LINES, LINES)
def test_the_checks_do_not_know_which_side_is_upstream(base: str, one: str, two: str, text: str) -> None:
    assert why(base, one, two, text) == why(base, two, one, text)


@given(LINES, LINES)
def test_leaving_out_a_side_is_always_noticed(base: str, changed: str) -> None:
    new = {word for word in changed.split() if word.isalnum()} - set(base.split())
    if new:
        assert why(base, changed, base, base) in {"lost", "doubled"}  # the other word came back


def words_why(base: str, upstream: str, commit: str, *, near: bool) -> str:
    try:
        check_words((lex(base.encode()), lex(upstream.encode()), lex(commit.encode())), near=near)
    except Doubt as doubt:
        return doubt.why
    return ""


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "near", "far"),
    [
        # whole lines removed beside a changed one: at any distance
        ("log(a)\nstart(b)\n", "start(b)\n", "log(a, level)\nstart(b)\n", "removed_beside", "removed_beside"),
        # words of a line removed: where the other's words are close
        ("f(a, b, c)\n", "f(a, b)\n", "g(a, b, c)\n", "removed_beside", ""),
        ("f(a, b, c)\n", "f(a, b, d)\n", "g(a, b, c)\n", "", ""),
        # parts of one version
        ("v = (1, 4, 0)\n", "v = (1, 5, 0)\n", "v = (1, 4, 1)\n", "same_number", "same_number"),
        ("v = (1, 4, 0)\n", "v = (1, 5, 0)\n", "w = (1, 4, 0)\n", "", ""),
        ("v = f(0)\n", "v = f(0, 1)\n", "v = f(0, 2)\n", "", ""),  # numbers added, none replaced
    ],
)
def test_words_of_one_place_are_looked_at_before_they_are_merged(
    base: str, upstream: str, commit: str, near: str, far: str
) -> None:
    assert words_why(base, upstream, commit, near=True) == near
    assert words_why(base, commit, upstream, near=True) == near
    assert words_why(base, upstream, commit, near=False) == far


LONG = (
    "    with open(path) as file:\n        rows = file.readlines()\n    return [row for row in rows if row]\n"
)


@pytest.mark.parametrize(
    ("upstream", "commit", "twins"),
    [
        (f"def load_rows(path):\n{LONG}", f"def read_rows(path):\n{LONG}", True),
        (f"def _rows(path):\n{LONG}", f"def rows(path):\n{LONG}", True),
        (f"def load_rows(path):\n{LONG}", "def read_rows(path):\n    return store.get(path)\n", False),
        (
            f"def load_rows(path):\n{LONG}",
            f"def wait(path):\n{LONG}",
            False,
        ),  # another name: a copy on purpose
        (f"def rows(path):\n{LONG}", f"def rows(path):\n{LONG}", False),  # one name: another check's matter
        (f"def load_rows(path):\n{LONG}", "class LoadRows:\n    pass\n", False),
    ],
)
def test_one_thing_added_under_two_names_is_a_doubt(upstream: str, commit: str, twins: bool) -> None:
    rows = pieces(upstream), pieces(commit)
    for one, two in (rows, rows[::-1]):
        if not twins:
            check_twins(one, two)
            continue
        with pytest.raises(Doubt) as raised:
            check_twins(one, two)
        assert raised.value.why == "same_name_added"


CLASS = "class A {\n    void f(int a) {\n    }\n}\n"


@pytest.mark.parametrize(
    ("language", "base", "side", "result", "doubt"),
    [
        ("python", "", "def f(): ...\n", "def f(): ...\n", ""),
        ("python", "", "def f(): ...\n", "def f(): ...\ndef f(): ...\n", "duplicate"),
        ("python", "", "def f(): ...\ndef f(): ...\n", "def f(): ...\ndef f(): ...\n", ""),  # a side has both
        ("python", "", "class A:\n    x = 1\n", "class A:\n    x = 1\n    x = 1\n", "duplicate"),
        ("python", "", "class A:\n    x = 1\n", "class A:\n    x = 1\nclass B:\n    x = 1\n", ""),
        ("python", "", "import a\n", "import a\nimport a\n", "duplicate"),
        ("python", "", "from a import b\n", "from a import b\nfrom a import c\n", ""),
        ("python", "", "x = 1\n", "x = (\n", "does_not_parse"),
        ("java", CLASS, CLASS, CLASS.replace("}\n}", "}\n    void f(String b) {\n    }\n}"), ""),
        ("java", CLASS, CLASS, CLASS.replace("}\n}", "}\n    void f(int a) {\n    }\n}"), "duplicate"),
        ("go", "package p\n", "package p\n\nfunc F() {}\n", "package p\n\nfunc F() {}\n\nfunc F() {}\n", "duplicate"),
        ("go", "package p\n", "package p\n", "package p\n\nfunc (a A) F() {}\n\nfunc (b B) F() {}\n", ""),
        ("typescript", "", "type A = 1;\n", "type A = 1;\ntype A = 1;\n", "duplicate"),
        ("javascript", "", "class A {\n  get b() {}\n}\n", "class A {\n  get b() {}\n  set b(c) {}\n}\n", ""),
    ],
)  # fmt: skip
def test_a_result_parses_and_defines_nothing_more_often_than_a_side(
    language: str, base: str, side: str, result: str, doubt: str
) -> None:
    sources = [source(text, language) for text in (base, side, base)]
    if not doubt:
        check(source(result, language), sources)
        return
    with pytest.raises(Doubt) as raised:
        check(source(result, language), sources)
    assert raised.value.why == doubt


@pytest.mark.parametrize("language", ["python", "javascript", "typescript", "tsx"])
def test_an_empty_result_is_fine(language: str) -> None:
    check(source("", language), [source("", language)] * 3)


def wrapped(*members: str) -> str:
    return "class A {\n" + "".join(f"  {member}\n" for member in members) + "}\n"


@pytest.mark.parametrize(
    ("language", "base", "upstream", "commit", "doubt"),
    [
        ("scala", [], ["def f() = 1"], ["def f: Int = 1"], "same_name_added"),
        ("scala", [], ["def f() = 1"], ["val f = 1"], "same_name_added"),
        ("scala", [], ["def f(a: Int) = 1"], ["def g(a: Int) = 1"], ""),
        ("java", [], ["void f(int a) {}"], ["void f(long a) {}"], "same_name_added"),
        ("java", [], ["void f(int a) {}"], ["void f(int a, int b) {}"], "same_name_added"),
        ("java", ["void f() {}"], ["void f(int a) {}"], ["void f(long a) {}"], "same_name_added"),
        (
            "java",
            ["void f() {}"],
            ["void f(int a) {}"],
            ["void f(int a, int b) {}"],
            "",
        ),  # overloads stand here
        ("java", [], ["void f() {}", "void f(int a) {}"], [], ""),  # one side alone means both
        ("typescript", [], ["f(): string;"], ["f(a: string): string;"], "same_name_added"),
        ("javascript", [], ["get b() {}"], ["set b(c) {}"], ""),
        ("php", [], ["const f = 1;"], ["public function f() {}"], "same_name_added"),
    ],
)
def test_one_name_that_each_side_added_in_a_form_of_its_own_is_a_doubt(
    language: str, base: list[str], upstream: list[str], commit: list[str], doubt: str
) -> None:
    head = "<?php\n" if language == "php" else "declare " if language == "typescript" else ""
    result, *sides = (
        source(head + wrapped(*base, *members), language)
        for members in ([*upstream, *commit], [], upstream, commit)
    )
    assert not result.has_error
    assert reason(result, sides) == doubt
    assert reason(result, [sides[0], sides[2], sides[1]]) == doubt


def test_one_name_of_two_receivers_is_two_methods() -> None:
    both = [
        source("package p\n" + text, "go")
        for text in ("func (a *A) F() {}\n", "func (b B) F() {}\n", "func (a A) F() {}\n")
    ]
    none = source("package p\n", "go")
    two = source("package p\nfunc (a *A) F() {}\n\nfunc (b B) F() {}\n", "go")
    one = source("package p\nfunc (a *A) F() {}\n\nfunc (a A) F() {}\n", "go")
    assert reason(two, [none, both[0], both[1]]) == ""
    assert reason(one, [none, both[0], both[2]]) == "same_name_added"


def reason(result: Source, sides: Sequence[Source]) -> str:
    try:
        check(result, sides)
    except Doubt as doubt:
        return doubt.why
    return ""
