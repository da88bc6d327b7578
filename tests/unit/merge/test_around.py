"""The code around hunks: whole functions, whole statements, and all three versions of them."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.core.conflict import Conflict, Side, split_lines
from flowforge.merge.around import BESIDE, ENTITY, Place, around, beside
from flowforge.merge.rowtext import Rows, rows_of
from tests.golden.conflictcases import conflict_of, path_of, texts_of
from tests.golden.rungs import registry

LANGUAGES = registry().languages
GOLDEN = Path(__file__).parents[2] / "golden" / "conflicts"


def made(tmp_path: Path, base: str, upstream: str, commit: str, path: str = "a.py") -> Conflict:
    return conflict_of(path, base.encode(), upstream.encode(), commit.encode(), tmp_path)


def places(conflict: Conflict, language: str = "python", entity: int = ENTITY) -> tuple[Place, ...]:
    return around(conflict, LANGUAGES[language], entity)


def text(place: Place) -> str:
    return "".join(
        "<...>\n" if part is None else f"<{part}>\n" if isinstance(part, int) else part
        for part in place.parts
    )


def version(conflict: Conflict, place: Place, side: Side) -> bytes:
    """What stood there on a side: the rows with its hunks, and what was merged beside them taken back."""
    rows = rows_of(conflict)
    lines = split_lines(rows.text(side, place.rows))
    told = {
        Side.UPSTREAM: ((Side.UPSTREAM, place.changed.commit),),
        Side.COMMIT: ((Side.COMMIT, place.changed.upstream),),
        Side.BASE: (
            (Side.UPSTREAM, place.changed.commit),
            (Side.COMMIT, place.changed.upstream),
            (Side.BASE, place.changed.both),
        ),
    }
    blocks = [block for against, diff in told[side] for block in _blocks(rows, place, against, side, diff)]
    for start, new, old in sorted(blocks, reverse=True):
        lines = [*lines[:start], *old, *lines[start + new :]]
    return b"".join(lines)


def _blocks(
    rows: Rows, place: Place, against: Side, side: Side, diff: str
) -> Iterator[tuple[int, int, list[bytes]]]:
    """Where in a side's lines a diff stands that is numbered in another's, how many lines it put there, and for which."""
    first = rows.lines[against][place.rows[0]]
    for found in re.finditer(r"^@@ -\d+,(\d+) \+(\d+),(\d+) @@((?:\n[-+].*)*)", diff, re.MULTILINE):
        row = bisect_right(rows.lines[against], first + int(found[2]) - 1) - 1
        start = rows.lines[side][row] - rows.lines[side][place.rows[0]]
        old = [line[1:].encode() + b"\n" for line in found[4].split("\n") if line.startswith("-")]
        yield start, int(found[3]), old


FUNCTION = """import os


class Shop:
    \"\"\"A shop.\"\"\"

    limit = 3

    def first(self):
        return 1

    def buy(self, what):
        # the price first
        price = {price}
        name = {name}
        total = price + 1
        if total > self.limit:
            raise ValueError(what)
        done = {done}
        return done

    def last(self):
        return 9
"""


def shop(price: str = "1", name: str = "what", done: str = "0") -> str:
    return FUNCTION.format(price=price, name=name, done=done)


def test_the_smallest_function_around_a_hunk_is_told_whole_with_the_head_of_its_class(tmp_path: Path) -> None:
    (place,) = places(made(tmp_path, shop(), shop(done="5"), shop(done="6")))
    assert text(place).startswith("class Shop:\n<...>\n    def buy(self, what):\n")
    assert text(place).endswith("            raise ValueError(what)\n<0>\n        return done\n")
    assert place.whole
    assert place.hunks == (0,)


def test_hunks_of_one_function_share_a_place_and_others_have_their_own(tmp_path: Path) -> None:
    sides = [
        shop(price=p, done=d).replace("return 9", f"return {r}")
        for p, d, r in (("1", "0", "9"), ("2", "5", "7"), ("3", "6", "8"))
    ]
    first, second = places(made(tmp_path, *sides))
    assert (first.hunks, second.hunks) == ((0, 1), (2,))
    assert "<0>" in text(first)
    assert "<1>" in text(first)
    assert "def last(self):\n<2>\n" in text(second)


def test_each_version_of_the_function_can_be_had_from_what_is_told(tmp_path: Path) -> None:
    upstream = shop(done="5").replace(
        "        total = price + 1\n", "        total = price + 2\n        log(total)\n"
    )
    conflict = made(tmp_path, shop(), upstream, shop(done="6", price="7\n        tax = 2"))
    (place,) = places(conflict)
    assert (
        "-        total = price + 1\n+        total = price + 2\n+        log(total)"
        in place.changed.upstream
    )
    assert "+        tax = 2" in place.changed.commit
    for side in Side:
        assert version(conflict, place, side) in (conflict.text(side) or b""), side


def test_a_change_that_both_sides_made_alike_is_told_apart(tmp_path: Path) -> None:
    conflict = made(tmp_path, shop(), shop(done="5", price="4"), shop(done="6", price="4"))
    (place,) = places(conflict)
    assert (place.changed.upstream, place.changed.commit) == ("", "")
    assert place.changed.both == "@@ -3,1 +3,1 @@\n-        price = 1\n+        price = 4"


@pytest.mark.parametrize(
    "case", sorted(GOLDEN.glob("*/*")), ids=lambda case: f"{case.parent.name}/{case.name}"
)
def test_the_golden_conflicts_are_told_with_every_hunk_once_and_every_version_whole(
    case: Path, tmp_path: Path
) -> None:
    texts = texts_of(case)
    conflict = conflict_of(path_of(case), texts.get("base"), texts["upstream"], texts["commit"], tmp_path)
    language = LANGUAGES.get(case.parent.name)
    found = around(conflict, language)
    assert [index for place in found for index in place.hunks] == [hunk.index for hunk in conflict.hunks]
    for place in found:
        assert [part for part in place.parts if isinstance(part, int)] == list(place.hunks)
        for side in Side:
            own = (conflict.text(side) or b"").decode("utf-8", "replace")
            shown = version(conflict, place, side).decode("utf-8", "replace")
            assert shown.rstrip("\n") in own


def test_upstreams_own_lines_of_a_hunk_are_known(tmp_path: Path) -> None:
    conflict = made(
        tmp_path, shop(), "# new\n# lines\n" + shop(done="5"), shop(done="6", price="7\n        tax = 2")
    )
    (place,) = places(conflict)
    own = (conflict.text(Side.UPSTREAM) or b"").split(b"\n")
    assert place.lines[0] == place.lines[1]
    assert own[place.lines[0] - 1] == b"        done = 5"


def test_where_upstream_removed_the_lines_those_beside_are_told(tmp_path: Path) -> None:
    gone = shop().replace("        done = 0\n", "")
    conflict = made(tmp_path, shop(), gone, shop(done="6"))
    (place,) = places(conflict)
    own = (conflict.text(Side.UPSTREAM) or b"").split(b"\n")
    assert own[place.lines[0] - 1 : place.lines[1]] == [
        b"            raise ValueError(what)",
        b"        return done",
    ]


def test_a_hunk_between_functions_is_told_with_whole_statements_beside_it(tmp_path: Path) -> None:
    new = "    def {name}(self):\n        return {name!r}\n\n    def last"
    sides = [
        shop(),
        shop().replace("    def last", new.format(name="up")),
        shop().replace("    def last", new.format(name="co")),
    ]
    (place,) = places(made(tmp_path, *sides))
    assert text(place).startswith("class Shop:\n<...>\n")
    assert "def last(self):\n        return 9\n" in text(place)
    assert "def buy" not in text(place)  # longer than is told of a neighbour


def test_a_hunk_among_imports_is_told_with_the_imports_around_it(tmp_path: Path) -> None:
    lines = [f"import module{n}\n" for n in range(30)]
    sides = ["".join([*lines[:15], middle, *lines[15:]]) for middle in ("", "import up\n", "import co\n")]
    (place,) = places(made(tmp_path, *sides))
    assert text(place).count("import module") == 2 * BESIDE


def test_a_function_that_is_too_large_is_told_by_its_head_and_the_statements_around(tmp_path: Path) -> None:
    body = "".join(f"    line_{n} = {n}\n" for n in range(400))
    sides = [f"def long(a):\n    first = 1\n{body}    x = {x}\n{body}    return x\n" for x in "123"]
    (place,) = places(made(tmp_path, *sides), entity=2000)
    assert not place.whole
    assert text(place).startswith("def long(a):\n    first = 1\n    line_0 = 0\n<...>\n")
    assert "    line_399 = 399\n<0>\n    line_0 = 0\n" in text(place)
    assert len(text(place)) < 3000


def test_of_a_long_function_with_another_inside_the_inner_one_is_told(tmp_path: Path) -> None:
    body = "".join(f"    line_{n} = {n}\n" for n in range(80))
    inner = "    def inner(b):\n        c = {x}\n        return c\n"
    sides = [f"def outer(a):\n{body}{inner.format(x=x)}{body}    return inner\n" for x in "123"]
    (place,) = places(made(tmp_path, *sides))
    assert "    def inner(b):\n<0>\n        return c\n" in text(place)
    assert len(text(place)) < 400


def test_a_hunk_inside_a_long_literal_is_told_with_the_items_beside_it(tmp_path: Path) -> None:
    sides = [
        "ROWS = [\n" + "".join(f"    'row {n}',\n" for n in range(200)) + f"    '{x}',\n]\n" for x in "123"
    ]
    (place,) = places(made(tmp_path, *sides))
    assert "'row 199',\n<0>\n" in text(place)
    assert len(text(place)) < 2000


ODD = {
    "CR LF": ("def f():\r\n    a = 1\r\n    return a\r\n", "a = 1", "a = 2", "a = 3"),
    "tabs": ("def f():\n\ta = 1\n\treturn a\n", "a = 1", "a = 2", "a = 3"),
    "byte order mark": ("\ufeffdef f():\n    a = 1\n    return a\n", "a = 1", "a = 2", "a = 3"),
    "no last line end": ("def f():\n    b = 0\n    a = 1", "a = 1", "a = 2", "a = 3"),
    "unparsable": ("def f(:\n  ((\n    a = 1\n  ]]\n", "a = 1", "a = 2", "a = 3"),
    "unparsable on one side": ("def f():\n    a = 1\n    return a\n", "a = 1", "a = ((((", "a = 3"),
    "form feeds": ("def f():\n    b = '\x0c'\n    a = 1\n\x0c\n", "a = 1", "a = 2", "a = 3"),
    "one line": ("a = 1\n", "a = 1", "a = 2", "a = 3"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_texts_have_a_place_for_every_hunk(name: str, tmp_path: Path) -> None:
    start, old, up, co = ODD[name]
    conflict = made(tmp_path, start, start.replace(old, up), start.replace(old, co))
    (place,) = places(conflict)
    assert place.hunks == (0,)
    for side in (Side.UPSTREAM, Side.COMMIT):
        assert version(conflict, place, side).rstrip(b"\n") in (conflict.text(side) or b"")


def test_bytes_that_are_no_utf8_are_told_as_text(tmp_path: Path) -> None:
    conflict = conflict_of("a.py", b"# \xff\nx = 1\n", b"# \xff\nx = 2\n", b"# \xff\nx = 3\n", tmp_path)
    (place,) = places(conflict)
    assert "\ufffd" in text(place)


def test_both_sides_added_the_file(tmp_path: Path) -> None:
    conflict = conflict_of("a.py", None, b"def f():\n    return 1\n", b"def f():\n    return 2\n", tmp_path)
    (place,) = places(conflict)
    assert text(place) == "<0>\n"
    assert place.lines == (1, 2)


def test_without_a_language_the_lines_beside_are_told(tmp_path: Path) -> None:
    lines = [f"line {n}\n" for n in range(100)]
    sides = ["".join([*lines[:50], x, *lines[50:]]) for x in ("a\n", "b\n", "c\n")]
    conflict = made(tmp_path, *sides, path="a.txt")
    for (place,) in (around(conflict, None), beside(conflict)):
        assert text(place).split("\n")[:2] == ["line 42", "line 43"]
        assert text(place).count("line") == 2 * BESIDE


def test_twenty_thousand_lines_come_to_an_end_and_one_function_is_told(tmp_path: Path) -> None:
    functions = [f"def function_{n}(a):\n    b = a + {n}\n    return b\n\n\n" for n in range(4000)]
    sides = []
    for x in ("1", "2", "3"):
        mine = [*functions, f"def last(a):\n    return {x}\n"]
        mine[int(x) * 1000] = mine[int(x) * 1000].replace("b = a", f"b = {x} * a")
        sides.append("".join(mine))
    conflict = made(tmp_path, *sides)
    assert sides[0].count("\n") > 20_000
    (place,) = places(conflict)
    assert text(place) == "def last(a):\n<0>\n"
    assert place.changed.commit == ""


@pytest.mark.parametrize(
    ("language", "path", "source", "starts"),
    [
        (
            "go",
            "a.go",
            "package a\n\ntype T struct{{}}\n\nfunc (t *T) Get() int {{\n\tx := {x}\n\treturn x\n}}\n",
            "func (t *T) Get",
        ),
        (
            "java",
            "A.java",
            "class A {{\n  int a = 1;\n\n  int get() {{\n    int x = {x};\n    return x;\n  }}\n}}\n",
            "class A {\n<...>\n  int get()",
        ),
        (
            "typescript",
            "a.ts",
            "export class A {{\n  a = 1\n\n  get() {{\n    const x = {x}\n    return x\n  }}\n}}\n",
            "export class A {\n<...>\n  get()",
        ),
        (
            "javascript",
            "a.js",
            "const a = 1\n\nfunction get() {{\n  const x = {x}\n  return x\n}}\n",
            "function get()",
        ),
        (
            "rust",
            "a.rs",
            "struct A;\n\nimpl A {{\n    fn get() -> i32 {{\n        let x = {x};\n        x\n    }}\n}}\n",
            "impl A {\n    fn get()",
        ),
        ("c", "a.c", "int a;\n\nint get(void) {{\n  int x = {x};\n  return x;\n}}\n", "int get(void)"),
    ],
)
def test_functions_of_other_languages_are_found(
    language: str, path: str, source: str, starts: str, tmp_path: Path
) -> None:
    conflict = made(tmp_path, *(source.format(x=x) for x in "123"), path=path)
    (place,) = places(conflict, language)
    assert text(place).startswith(starts)
    assert "return x" in text(place) or "  x\n" in text(place)
