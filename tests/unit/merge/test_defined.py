"""Definitions of the names in hunks: in the same file, and in files that imports lead to."""

from pathlib import Path

import pytest

from flowforge.core.conflict import Conflict
from flowforge.merge.defined import WHOLE, Definition, Known, defined_here, defined_there
from tests.golden.conflictcases import conflict_of
from tests.golden.rungs import registry

LANGUAGES = registry().languages
FILE = '''import json
from os import path as where
import app.tools as tools
from .near import one, other

LIMIT = 3


def helper(a, b=LIMIT):
    """Help."""
    return a + b


def long(a):
{body}


class Shop:
    """A shop."""

    rate = 7

    def price(self, what):
        return LIMIT

    def buy(self, what):
        x = {x}
        return x


def unrelated():
    return 0
'''


def made(tmp_path: Path, upstream: str, commit: str, base: str = "0") -> Conflict:
    body = "\n".join(f"    line_{n} = {n}" for n in range(60))
    texts = [FILE.format(x=x, body=body).encode() for x in (base, upstream, commit)]
    return conflict_of("pkg/a.py", texts[0], texts[1], texts[2], tmp_path)


def known(tmp_path: Path, upstream: str, commit: str) -> Known:
    return defined_here(made(tmp_path, upstream, commit), LANGUAGES["python"], ())


def names(found: Known) -> dict[str, Definition]:
    return {one.name: one for one in found.definitions}


def test_what_is_short_is_told_whole_and_what_is_long_by_its_signature(tmp_path: Path) -> None:
    found = names(known(tmp_path, "helper(1)", "long(2)"))
    assert found["helper"].text == 'def helper(a, b=LIMIT):\n    """Help."""\n    return a + b'
    assert found["helper"].whole
    assert found["long"].text == "def long(a):"
    assert not found["long"].whole
    assert set(found) == {"helper", "long"}


def test_members_are_told_with_the_class_that_holds_them(tmp_path: Path) -> None:
    found = names(known(tmp_path, "self.price(1)", "self.rate"))
    assert (found["price"].holder, found["rate"].holder) == ("Shop", "Shop")


def test_names_of_lines_that_changed_come_first(tmp_path: Path) -> None:
    found = known(tmp_path, "helper(1) + LIMIT", "helper(2) + long(LIMIT)")
    assert [one.name for one in found.definitions][-1] == "long"


def test_what_is_told_anyway_is_not_told_again(tmp_path: Path) -> None:
    conflict = made(tmp_path, "helper(1)", "helper(2)")
    assert defined_here(conflict, LANGUAGES["python"], [(0, 20)]).definitions == ()


def test_imports_are_those_of_which_the_hunk_uses_something(tmp_path: Path) -> None:
    found = {
        one.source: one.names for one in known(tmp_path, "tools.mend(1, one)", "where.join('a')").imports
    }
    assert found["app.tools"] == ("mend", "tools")
    assert "one" in found[".near"]
    assert found["os"][0] == "join"
    assert "json" not in found


def test_a_language_whose_names_mean_nothing_elsewhere_is_left_alone(tmp_path: Path) -> None:
    conflict = conflict_of("a.css", b"a { b: 1 }\n", b"a { b: 2 }\n", b"a { b: 3 }\n", tmp_path)
    assert defined_here(conflict, LANGUAGES["css"], ()) == Known()


THERE = b"""LIMIT = 5


def mend(a):
    return a


class Tool:
    def mend(self):
        return 0
"""


def test_definitions_in_other_files_are_found_by_name_and_say_where(tmp_path: Path) -> None:
    python = LANGUAGES["python"]
    found = defined_there(
        {"app/tools.py": THERE, "x.py": b"y = 1\n"},
        {"app/tools.py": ["Tool", "mend"], "x.py": ["z"]},
        {"app/tools.py": python, "x.py": python},
    )
    assert [(one.path, one.name) for one in found] == [("app/tools.py", "Tool"), ("app/tools.py", "mend")]
    assert found[1].text == "def mend(a):\n    return a"


@pytest.mark.parametrize(
    "text",
    [b"", b"def mend(:\n  ((", b"\xff\xfe mend", b"mend = '" + b"x" * 5000 + b"'\n", b"def mend(): return 1"],
)
def test_any_text_gives_definitions_or_none(text: bytes) -> None:
    for one in defined_there({"a.py": text}, {"a.py": ["mend"]}, {"a.py": LANGUAGES["python"]}):
        assert one.name == "mend"
        assert len(one.text) <= max(WHOLE, 5100)


@pytest.mark.parametrize(
    ("language", "text", "signature"),
    [
        ("go", "package a\n\nfunc (t *T) Get(a int) int {\nBODY}\n", "func (t *T) Get(a int) int {"),
        ("java", "class A {\n  /** Doc. */\n  int Get(int a) {\nBODY  }\n}\n", "  int Get(int a) {"),
        (
            "typescript",
            "export function Get(a: number): number {\nBODY}\n",
            "export function Get(a: number): number {",
        ),
        ("rust", "pub fn Get(a: i32) -> i32 {\nBODY}\n", "pub fn Get(a: i32) -> i32 {"),
        ("c", "int Get(int a)\n{\nBODY}\n", "int Get(int a)"),
    ],
)
def test_a_signature_is_what_stands_before_the_body(language: str, text: str, signature: str) -> None:
    body = "".join(f"  x = x + {n};\n" for n in range(80))
    path = {"go": "a.go", "java": "A.java"}.get(language, "a.x")
    (one,) = defined_there(
        {path: text.replace("BODY", body).encode()}, {path: ["Get"]}, {path: LANGUAGES[language]}
    )
    assert one.text.removesuffix("{").rstrip() == signature.removesuffix("{").rstrip()
    assert not one.whole
