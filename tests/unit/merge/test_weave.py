"""Three rows of pieces become one: what is kept, in which order, and what stays open."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.merge.doubt import Doubt
from flowforge.merge.weave import DEFINITIONS, IMPORTS, JOINED, NAMES, REPLACED, Weaver
from flowforge.merge.wording import FEW, MORE
from tests.unit.merge.languages import body


class Woven:
    """A merge of three texts: its text, the rules it used, and the words of what it left open."""

    def __init__(self, base: str, upstream: str, commit: str, language: str = "python") -> None:
        weaver = Weaver(lambda: None)
        self.text = weaver.bodies(*(body(text, language) for text in (base, upstream, commit))).decode()
        self.rules = [used.rule for used in weaver.used]
        self.open = [place.doubt.why for place in weaver.open]
        self.places = [tuple(span.text.decode() for span in place.spans) for place in weaver.open]


def function(name: str, value: str = "1") -> str:
    return f"def {name}():\n    return {value}\n"


def module(*parts: str) -> str:
    return "\n\n".join(parts)


F, G, H, K = (function(name) for name in "fghk")


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "merged"),
    [
        # who changed what
        (module(F, G), module(F, G), module(F, G), module(F, G)),
        (module(F, G), module(function("f", "2"), G), module(F, function("g", "3")),
         module(function("f", "2"), function("g", "3"))),
        # added by one side, removed by one side
        (module(F), module(F, G), module(F), module(F, G)),
        (module(F), module(F), module(G, F), module(G, F)),
        (module(F, G), module(F), module(F, G), module(F)),
        (module(F, G), module(F, G), module(G), module(G)),
        (module(F, G), module(F), module(F), module(F)),
        # moved by one side, edited by the other
        (module(F, G, H), module(H, F, G), module(F, G, function("h", "9")), module(function("h", "9"), F, G)),
        (module(F, G, H), module(F, G, function("h", "9")), module(H, F, G), module(function("h", "9"), F, G)),
        # added at the same place: upstream's first, each with its gap
        (module(F), module(F, G), module(F, H), module(F, G, H)),
        (module(F), module(F, G, K), module(F, H), module(F, G, K, H)),
        (module(F), module(G, F), module(H, F), module(G, H, F)),
        # added alike by both
        (module(F), module(F, G), module(F, G), module(F, G)),
        (module(F), module(F, G), module(F, G, H), module(F, G, H)),
    ],
)  # fmt: skip
def test_definitions_merge_by_name_and_place(base: str, upstream: str, commit: str, merged: str) -> None:
    woven = Woven(base, upstream, commit)
    assert woven.open == []
    assert woven.text == merged


@pytest.mark.parametrize(
    ("why", "base", "upstream", "commit"),
    [
        ("same_name_added", module(F), module(F, G), module(F, function("g", "2"))),
        ("deleted_and_changed", module(F, G), module(F), module(F, function("g", "2"))),
        ("two_ordered_inserts", "x = 1\n", "x = 1\ny = 2\n", "x = 1\nz = 3\n"),
        ("context_changed", module(F, G), module(F, H), module(F, G, K)),
        ("same_tokens", "x = 1\n", "x = 2\n", "x = 3\n"),
        ("same_number", "v = (1, 4, 0)\n", "v = (2, 4, 0)\n", "v = (1, 4, 1)\n"),
        ("removed_beside", "f(a, b)\ndone()\n", "f(a, b)\n", "f(c, b)\ndone()\n"),
        ("same_name_added", "import a\n", "import a\nfrom b import x\n", "import a\nfrom c import x\n"),
    ],
)
def test_what_cannot_be_decided_stays_open_with_upstreams_text(
    why: str, base: str, upstream: str, commit: str
) -> None:
    for one, two in ((upstream, commit), (commit, upstream)):
        woven = Woven(base, one, two)
        assert why in woven.open
        assert woven.text == one


def test_an_open_place_names_its_texts_on_all_sides() -> None:
    woven = Woven(module(F, "x = 1\n"), module(F, "x = 2\n"), module(F, "x = 3\n"))
    assert woven.places == [("x = 1\n", "x = 2\n", "x = 3\n")]


def test_an_open_place_leaves_the_others_merged() -> None:
    woven = Woven(module("x = 1\n", F), module("x = 2\n", F, G), module("x = 3\n", F, H))
    assert woven.open == ["same_tokens"]
    assert woven.text == module("x = 2\n", F, G, H)
    assert woven.rules == [DEFINITIONS]


@pytest.mark.parametrize(
    ("rule", "base", "upstream", "commit"),
    [
        (DEFINITIONS, module(F), module(F, G), module(F, H)),
        (IMPORTS, "import a\n", "import a\nimport b\n", "import a\nimport c\n"),
        (REPLACED, "import a\nimport m\n", "import a\nimport b\n", "import a\nimport m\nimport z\n"),
        (JOINED, "import a\n", "import a\nfrom b import c, d\n", "import a\nfrom b import e\n"),
        (NAMES, "from a import b\n", "from a import b, c\n", "from a import b, d\n"),
        (FEW, "f(a, b)\ng(c)\n", "f(a, d)\ng(c)\n", "f(a, b)\ng(e)\n"),
        (MORE, "f(a, b, c)\n", "f(x, b, c)\n", "f(x, b, z)\n"),
    ],
)
def test_every_place_tells_the_rule_that_decided_it(rule: str, base: str, upstream: str, commit: str) -> None:
    woven = Woven(base, upstream, commit)
    assert woven.open == []
    assert woven.rules == [rule]


def test_words_with_a_single_one_between_are_as_good_as_touching() -> None:
    assert Woven("f(a, b)\n", "g(a, b)\n", "f[a, b]\n").open == ["same_tokens"]
    assert Woven("a + b\n", "c + b\n", "a + d\n").open == ["same_tokens"]


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "merged"),
    [
        ("import a\nimport m\n", "import a\nimport b\nimport m\n", "import a\nimport c\nimport m\n",
         "import a\nimport b\nimport c\nimport m\n"),
        # where one side replaced an import, what the other added after it still comes after it
        ("import m\nimport c\nx = 1\n", "import m\nimport c\nimport b\nx = 1\n", "import m\nimport d\nx = 1\n",
         "import m\nimport d\nimport b\nx = 1\n"),
        ("import m\nimport c\nx = 1\n", "import m\nimport b\nimport c\nx = 1\n", "import m\nimport d\nimport a\nx = 1\n",
         "import m\nimport b\nimport d\nimport a\nx = 1\n"),
        # a group that both begin is one group
        ("import m\n\nx = 1\n", "import m\n\nimport a\nimport d\n\nx = 1\n", "import m\n\nimport b\n\nx = 1\n",
         "import m\n\nimport a\nimport b\nimport d\n\nx = 1\n"),
        ("import m\n\nx = 1\n", "import m\nimport z\n\nx = 1\n", "import m\n\nimport b\n\nx = 1\n",
         "import m\nimport z\n\nimport b\n\nx = 1\n"),
        ("import m\n\nx = 1\n", "import m\n\nimport b\n\nx = 1\n", "import m\nimport z\n\nx = 1\n",
         "import m\nimport z\n\nimport b\n\nx = 1\n"),
        ("import a\nimport m\n", "import a\nimport k\nimport m\n", "import a\nimport c\nimport m\n",
         "import a\nimport c\nimport k\nimport m\n"),
        ("import m\nimport a\n", "import m\nimport k\nimport a\n", "import m\nimport c\nimport a\n",
         "import m\nimport k\nimport c\nimport a\n"),  # in no order: upstream's first
        ("import a\nimport m\n", "import a\nimport b\n", "import a\nimport m\nimport z\n",
         "import a\nimport b\nimport z\n"),
    ],
)  # fmt: skip
def test_imports_stand_where_their_order_puts_them(
    base: str, upstream: str, commit: str, merged: str
) -> None:
    assert Woven(base, upstream, commit).text == merged


def test_calls_by_a_plain_name_may_stand_in_any_order_and_calls_of_an_object_may_not() -> None:
    def call(what: str, name: str, inside: str) -> str:
        return f"{what}('{name}', () => {{\n  {inside};\n}});\n"

    first = call("it", "a", "one()")
    tests = Woven(
        first, first + call("it", "b", "two(2)"), first + call("it", "c", "x.three()"), "javascript"
    )
    assert tests.open == []
    assert tests.text == first + call("it", "b", "two(2)") + call("it", "c", "x.three()")
    first = call("app.get", "/a", "one()")
    routes = Woven(
        first,
        first + call("app.get", "/b", "two(2)"),
        first + call("app.get", "/c", "x.three()"),
        "javascript",
    )
    assert routes.open == ["two_ordered_inserts"]


def test_members_of_a_class_merge_as_a_file_does() -> None:
    def shop(*members: str) -> str:
        return "class Shop:\n" + "\n".join(
            "    " + line if line else "" for line in "\n".join(members).split("\n")
        ).rstrip(" ")

    woven = Woven(shop(F), shop(F, G), shop(function("f", "7"), H))
    assert woven.open == []
    assert woven.text == shop(function("f", "7"), G, H)


def test_the_first_line_of_a_class_is_merged_beside_its_members() -> None:
    woven = Woven("class A:\n    x = 1\n", "class A(B):\n    x = 1\n", "class A:\n    x = 2\n")
    assert woven.text == "class A(B):\n    x = 2\n"


def test_statements_among_what_both_sides_changed_are_merged_as_text() -> None:
    woven = Woven("run(1)\nstop(2)\nwait(3)\n", "run(9)\nstop(2)\nwait(3)\n", "run(1)\nstop(2)\nwait(8)\n")
    assert woven.open == []
    assert woven.text == "run(9)\nstop(2)\nwait(8)\n"


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "merged"),
    [
        ("x = 1\n", f"x = 1\n\n\n{F}", f"x = 1\n\n{G}", f"x = 1\n\n\n{F}\n\n{G}"),  # each its own
        (module(F), module(G, F), module(H, F), module(G, H, F)),  # at the top: the gap after it
        ("import m\n\nx = 1\n", "import a\nimport m\n\nx = 1\n", "import b\nimport m\n\nx = 1\n",
         "import a\nimport b\nimport m\n\nx = 1\n"),
    ],
)  # fmt: skip
def test_pieces_that_both_sides_added_side_by_side_keep_a_gap(
    base: str, upstream: str, commit: str, merged: str
) -> None:
    assert Woven(base, upstream, commit).text == merged


def test_a_last_line_without_an_end_is_not_built_upon() -> None:
    with pytest.raises(Doubt) as raised:
        Woven("def f(): ...", "def f(): ...\n\ndef g(): ...", "def f(): ...\n\ndef hh(a): ...")
    assert raised.value.why == "no_final_newline"


def test_time_that_is_up_ends_the_whole_merge() -> None:
    def late() -> None:
        raise Doubt("out_of_time", "late")

    with pytest.raises(Doubt, match="late"):
        Weaver(late).bodies(body(F), body(F), body(G))


MODULES = st.lists(
    st.sampled_from([F, G, H, K, function("f", "2"), function("g", "a + b"), "x = 1\n", "run()\n"]),
    max_size=5,
    unique_by=lambda part: part.split("\n")[0],
).map(lambda parts: module(*parts))


@given(MODULES, MODULES)
def test_a_side_that_changed_nothing_gives_the_other(base: str, changed: str) -> None:
    assert Woven(base, base, changed).text == changed
    assert Woven(base, changed, base).text == changed


@given(MODULES, MODULES)
def test_the_same_change_on_both_sides_is_taken_once(base: str, changed: str) -> None:
    assert Woven(base, changed, changed).text == changed


@given(MODULES, MODULES, MODULES)
def test_both_orders_of_the_sides_are_as_certain_and_hold_the_same_lines(
    base: str, one: str, two: str
) -> None:
    there, back = Woven(base, one, two), Woven(base, two, one)
    assert bool(there.open) == bool(back.open)
    if not there.open:
        assert sorted(filter(None, there.text.split("\n"))) == sorted(filter(None, back.text.split("\n")))


@given(MODULES, MODULES, MODULES)
def test_no_definition_stands_twice_and_none_that_a_side_added_is_lost(base: str, one: str, two: str) -> None:
    woven = Woven(base, one, two)
    if woven.open:
        return
    heads = [line for line in woven.text.split("\n") if line.startswith("def ")]
    assert len(heads) == len(set(heads))
    for side, other in ((one, two), (two, one)):
        for line in side.split("\n"):
            if line.startswith("def ") and line not in base.split("\n"):
                assert line in heads or line in other


@pytest.mark.parametrize("order", list(permutations((F, G, H)))[1:])
def test_one_sides_new_order_stands(order: tuple[str, ...]) -> None:
    base = module(F, G, H)
    assert Woven(base, module(*order), base).text == module(*order)
    assert Woven(base, base, module(*order)).text == module(*order)


def ruby(*members: str) -> str:
    return "\n".join(("class A", *(f"  {member}" for member in members), "end\n"))


RF, RG, RH = (f"def {name}; end" for name in "fgh")


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "doubts"),
    [
        ((RF, RG), (RF, "private", RG), (RF, RG, RH), ["relabelled"]),
        ((RF, RG), (RF, RG, RH), (RF, "private", RG), ["relabelled"]),
        ((RF, "private", RG), (RF, RG), (RF, "private", RG, RH), ["relabelled"]),
        ((RF, "private", RG), (RF, "private", RG, RH), (RF, RG), ["relabelled"]),
        ((RF, RG), (RF, "private", RG), (RF, RG), []),
        ((RF, "private", RG), (RF, "private", RG, RH), (RF, "private", RG), []),
        ((RF, "private", RG), (RF, "private", RG, RH), (RF, "private", "def g; 1; end"), []),
        ((RF, RG), (RF, "private", RG), (RF, "private", RG, RH), ["relabelled"]),
    ],
)
def test_what_one_side_adds_comes_under_no_label_that_the_other_moved(
    base: tuple[str, ...], upstream: tuple[str, ...], commit: tuple[str, ...], doubts: list[str]
) -> None:
    assert Woven(ruby(*base), ruby(*upstream), ruby(*commit), "ruby").open == doubts


def test_an_import_under_a_condition_is_merged_as_one() -> None:
    base = "if TYPE_CHECKING:\n    import b\n"
    woven = Woven(base, base + "    import c\n", base + "    import d\n")
    assert (woven.text, woven.rules, woven.open) == (base + "    import c\n    import d\n", [IMPORTS], [])


def test_sections_that_both_sides_add_at_one_place_stay_open() -> None:
    base = "# A\n\ntext\n"
    woven = Woven(base, base + "\n## B\n\none\n", base + "\n## C\n\ntwo\n", "markdown")
    assert woven.open == ["two_ordered_inserts"]
