"""Imports as a set: the order of a block, what may not be brought twice, and what is made one."""

import pytest

from flowforge.merge.doubt import Doubt
from flowforge.merge.imports import (
    block_of,
    brought,
    check_bound,
    check_removed,
    check_style,
    joined,
    sorted_by,
)
from tests.unit.merge.languages import imports_of, pieces


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
        # one thing under two names, and a part of what the other imports whole
        ("python", "import a.x as y\n", "import a.x as z\n", True),
        ("python", "from a import x as y\n", "from a import x as z\n", True),
        ("go", 'package p\n\nimport (\n\tx "a/c"\n)\n', 'package p\n\nimport (\n\ty "a/c"\n)\n', True),
        ("kotlin", "import a.B as C\n", "import a.B as D\n", True),
        ("java", "import a.*;\n", "import a.B;\n", True),
        ("java", "import a.*;\n", "import a.b.C;\n", False),
        ("java", "import static a.B.*;\n", "import static a.B.zero;\n", True),
        ("scala", "import a._\n", "import a.B\n", True),
        ("scala", "import a._\n", "import a.b.C\n", False),
        ("rust", "use a::*;\n", "use a::b;\n", True),
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


@pytest.mark.parametrize(
    ("language", "upstream", "commit", "made"),
    [
        ("python", "from a import b, d\n", "from a import c\n", ["from a import b, c, d\n"]),
        ("python", "from a import b, d\n", "from e import c\n", []),
        ("python", "import a\n", "import b\n", []),
        ("javascript", "import { b, d } from 'a';\n", "import { c } from 'a';\n", ["import { b, c, d } from 'a';\n"]),
        ("javascript", "import b from 'a';\n", "import { c } from 'a';\n", []),
        ("typescript", "import { b, d } from 'a';\n", "import type { C } from 'a';\n", []),
        ("scala", "import a.{b, d}\n", "import a.{c}\n", ["import a.{b, c, d}\n"]),
        ("scala", "import a.b\n", "import a.c\n", []),
        ("java", "import a.B;\n", "import a.C;\n", []),
        ("go", 'package p\n\nimport "a/b"\n', 'package p\n\nimport "a/c"\n', []),
        ("rust", "use a::{b, d};\n", "use a::{c};\n", ["use a::{b, c, d};\n"]),
    ],
)  # fmt: skip
def test_new_imports_of_one_module_are_made_one(
    language: str, upstream: str, commit: str, made: list[str]
) -> None:
    found = joined(imports_of(upstream, language), imports_of(commit, language))
    assert [text.decode() for _, text in found.values()] == made


def test_a_module_that_a_side_imports_in_two_statements_is_a_doubt() -> None:
    upstream = imports_of("from a import b, c\nfrom a import d, e\n")
    with pytest.raises(Doubt) as raised:
        joined(upstream, imports_of("from a import f\n"))
    assert raised.value.why == "import_layout"


@pytest.mark.parametrize(
    ("upstream", "commit", "doubt"),
    [
        ("import { b } from 'a';\n", "import { d } from 'c';\n", False),
        ("import {b} from 'a';\n", "import { d } from 'c';\n", True),
        ("import { b } from 'a';\n", "import { d } from 'c'\n", True),
        ("import {\n  b,\n} from 'a';\n", "import { d } from 'c';\n", False),
        ("import b from 'a'\n", "import { d } from 'c';\n", False),
    ],
)
def test_new_imports_in_two_styles_are_a_doubt(upstream: str, commit: str, doubt: bool) -> None:
    rows = imports_of(upstream, "javascript"), imports_of(commit, "javascript")
    if not doubt:
        check_style(*rows)
        return
    with pytest.raises(Doubt) as raised:
        check_style(*rows)
    assert raised.value.why == "import_layout"


def test_imports_that_each_side_took_away_are_a_doubt_unless_they_are_the_same() -> None:
    one, two = ("import", b"a", b""), ("import", b"b", b"")
    check_removed({one}, set())
    check_removed({one}, {one})
    with pytest.raises(Doubt) as raised:
        check_removed({one}, {two})
    assert raised.value.why == "both_removed"
