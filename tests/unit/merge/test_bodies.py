"""Containers of every shipped language: where they begin and end, what is in them, and what stands for itself."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.merge.entities import Body, Piece, Role, identify, open_piece
from tests.unit.merge.languages import LANGUAGES, body, pieces

RUST = """\
//! About the crate.

use std::fs;
pub mod net;

/// A cache.
#[derive(Debug)]
pub struct Cache {
    /// How many.
    pub size: u32, // at most
}

impl fmt::Display for Cache {
    const WIDTH: u8 = 1;

    #[inline]
    fn fmt(&self) -> u8 {
        1
    }
}
"""
C = """\
#include <stdio.h>

#define LIMIT 16

static const char *name(int a);
int (*handler)(void);

struct entry {
	int key;
	char *value;
};

typedef struct {
	int x;
} point_t;

#ifdef DEBUG
int traced;
#else
int silent;
#endif
"""
CPP = """\
#ifndef A_H
#define A_H

namespace a {

// A thing.
template <class T>
class Thing : public Base {
public:
    Thing();
    const T& get() const;
    T* next() { return next_; }
    void (*done)(int);
    enum class Kind {
        One,
    };

private:
    T* next_ = nullptr;
};

int Thing::size() const {
    return 1;
}

}  // namespace a

#endif
"""
CSHARP = """\
using System;

namespace Shop
{
    /// <summary>Money.</summary>
    [Serializable]
    public class Till<T>
    {
        private int cents = 1;
        public string Name { get; set; }
        public event EventHandler Opened;

        public Till(int a) { }

        [Test]
        public void Open(int a) { }
#if DEBUG
        void Dump() { }
#endif
    }
}
"""
RUBY = """\
require "set"
load "config"

module Shop
  class Till < Box
    # Opens it.
    def open(a)
      a
    end

    class << self
      def new_one; end
    end

    private

    def close
    end
  end
end

describe Till do
  it "opens" do
    open
  end
end
"""
PHP = """\
<?php

use Shop\\Till;

/** Money. */
#[Final]
class Box extends Till
{
    use Counts;

    const SIZE = 1;
    private int $cents = 1;

    #[Test]
    public function open(): int
    {
        return 1;
    }
}
"""
KOTLIN = """\
import shop.Till

/** Money. */
@Entity
data class Box(val a: Int) : Till() {
    val x = 1

    init {
        check(x)
    }

    companion object {
        fun of() = Box(1)
    }

    fun open(a: Int): Int = a
}

enum class Size(val n: Int) {
    SMALL(1),
    LARGE(2);

    fun twice() = n * 2
}
"""
SCALA = """\
import shop.{Till, Box => Crate}

/** Money. */
@entity
class Shelf:
  val x = 1

  def open(a: Int): Int =
    a + 1
end Shelf

object Shelf {
  def of = new Shelf
}
"""
BASH = """\
#!/bin/bash
set -e
root=/srv
export PATH=/bin

# Opens it.
open() {
  cat <<END
text
END
}
"""
HTML = """\
<html>
<body>
  <div id="one" class="x">
    <p>text <b>bold</b></p>
    <br>
  </div>
  <ul>
    <li>a</li>
    <li>b</li>
  </ul>
</body>
</html>
"""
CSS = """\
@import "a.css";

/* Cards. */
.card,
.box > b {
  color: red;
  margin: 0 1px;
}

@media (max-width: 1px) {
  .card { color: blue; }
}

@keyframes spin {
  to { rotate: 1turn; }
}
"""
MARKDOWN = """\
About it.

# Shop

What it is.

## Use

- open
- close

## Use

Again.
"""
SAMPLES = {
    "rust": RUST,
    "c": C,
    "cpp": CPP,
    "csharp": CSHARP,
    "ruby": RUBY,
    "php": PHP,
    "kotlin": KOTLIN,
    "scala": SCALA,
    "bash": BASH,
    "html": HTML,
    "css": CSS,
    "markdown": MARKDOWN,
}


def bodies(whole: Body) -> Iterator[Body]:
    yield whole
    for piece in whole.pieces:
        inner = open_piece(piece)
        if inner is not None:
            yield from bodies(inner)


def text_of(inner: Body) -> bytes:
    inside = b"".join(piece.lead + piece.text for piece in inner.pieces)
    return inner.header.text + inside + inner.tail + inner.footer.text


@pytest.mark.parametrize("language", SAMPLES)
def test_bodies_cover_their_containers_without_a_gap(language: str) -> None:
    whole = body(SAMPLES[language], language)
    assert text_of(whole) == SAMPLES[language].encode()
    for outer in bodies(whole):
        for piece in outer.pieces:
            inner = open_piece(piece)
            assert inner is None or text_of(inner) == piece.text


def test_a_container_whose_end_is_missing_is_not_opened() -> None:
    (piece,) = body("object Shelf {\n\n", "scala").pieces
    assert open_piece(piece) is None


@pytest.mark.parametrize("language", SAMPLES)
@given(data=st.data())
@settings(max_examples=60)
def test_bodies_cover_whatever_stands_in_a_file(language: str, data: st.DataObject) -> None:
    lines = SAMPLES[language].splitlines(keepends=True)
    text = "".join(data.draw(st.lists(st.sampled_from([*lines, "\n", "  \n", "\r\n", "("]), max_size=16)))
    whole = body(text, language)
    assert text_of(whole) == text.encode()
    for outer in bodies(whole):
        for piece in outer.pieces:
            inner = open_piece(piece)
            assert inner is None or text_of(inner) == piece.text


@pytest.mark.parametrize("language", SAMPLES)
def test_samples_parse(language: str) -> None:
    assert not body(SAMPLES[language], language).header.source.has_error


def tree(row: tuple[Piece, ...]) -> list[str]:
    """The entities of a row, each with what is in it: `class A(method f)`."""
    found = []
    for piece in identify(row)[0]:
        if piece.role is Role.PLAIN:
            continue
        inner = open_piece(piece)
        parts = ", ".join(tree(inner.pieces)) if inner is not None else ""
        name = f"{piece.key[0]} {piece.key[1].decode()}".strip()
        found.append(f"{name}({parts})" if inner is not None else name)
    return found


@pytest.mark.parametrize(
    ("language", "entities"),
    [
        ("rust", ["import std", "module net", "type Cache(field size)",
                  "impl of a trait Cache(constant WIDTH, function fmt)"]),
        ("c", ["import <stdio.h>", "macro LIMIT", "prototype name", "variable (*handler)",
               "type entry(field key, field value)", "type point_t(field x)", "group DEBUG(variable traced)"]),
        ("cpp", [("group A_H(macro A_H, namespace a(type Thing(prototype Thing, prototype get, function next, "
                 "field (*done), type Kind(constant One), field next_), function Thing::size))")]),
        ("csharp", ["import using System;", ("namespace Shop(type Till(field cents, property Name, event Opened, "
                    "constructor Till, method Open, group DEBUG(method Dump)))")]),
        ("ruby", ['import "set"', ("module Shop(class Till(method open, singleton self(method new_one), "
                  "method close))"), 'test Till(test "opens"())']),
        ("php", ["import Shop\\Till", "class Box(constant SIZE, field $cents, method open)"]),
        ("kotlin", ["import import shop.Till", ("class Box(property x, initializer, companion(function of), "
                    "function open)"), "class Size(constant SMALL, constant LARGE, function twice)"]),
        ("scala", ["import import shop.{Till, Box => Crate}", "class Shelf(value x, function open)",
                   "object Shelf(function of)"]),
        ("bash", ["variable root", "variable PATH", "function open"]),
        ("html", ['element html(element body(element with an id "one"(element p, element br()), element ul()))']),
        ("css", ["rules .card,\n.box > b(property color, property margin)",
                 "media_statement (max-width: 1px)(rules .card)", "keyframes spin"]),
        ("markdown", ["section Shop()"]),
    ],
)  # fmt: skip
def test_what_is_in_what(language: str, entities: list[str]) -> None:
    assert tree(tuple(pieces(SAMPLES[language], language))) == entities


@pytest.mark.parametrize(
    ("language", "beginning"),
    [
        ("rust", b"/// A cache.\n#[derive(Debug)]\npub struct"),
        ("cpp", b"// A thing.\ntemplate <class T>\nclass"),
        ("csharp", b"    /// <summary>Money.</summary>\n    [Serializable]\n"),
        ("ruby", b"    # Opens it.\n    def open"),
        ("php", b"/** Money. */\n#[Final]\nclass"),
        ("kotlin", b"/** Money. */\n@Entity\ndata class"),
        ("scala", b"/** Money. */\n@entity\nclass"),
        ("bash", b"# Opens it.\nopen()"),
        ("css", b"/* Cards. */\n.card"),
    ],
)
def test_comments_and_attributes_travel_with_what_they_are_about(language: str, beginning: bytes) -> None:
    texts = [piece.text for outer in bodies(body(SAMPLES[language], language)) for piece in outer.pieces]
    assert any(text.startswith(beginning) for text in texts)


def test_a_comment_before_the_first_member_belongs_to_it() -> None:
    for language, text in (
        ("python", "class A:\n    # why\n    x = 1\n"),
        ("ruby", "class A\n  # why\n  X = 1\nend\n"),
    ):
        inner = open_piece(pieces(text, language)[0])
        assert inner is not None
        assert [piece.text.strip()[:5] for piece in inner.pieces] == [b"# why"]
        assert inner.pieces[0].role is Role.ENTITY


def test_the_word_that_closes_a_body_is_its_foot() -> None:
    inner = open_piece(pieces("class A\n  def f; end\nend\n", "ruby")[0])
    assert inner is not None
    assert inner.footer.text == b"end\n"


def test_the_line_that_says_what_runs_a_file_stands_for_itself() -> None:
    assert [piece.text for piece in pieces("#!/bin/sh\nf() {\n  g\n}\n", "bash")] == [
        b"#!/bin/sh\n",
        b"f() {\n  g\n}\n",
    ]


def test_members_behind_the_constants_of_an_enum_are_its_members() -> None:
    inner = open_piece(pieces("enum A {\n    B,\n    C;\n\n    void f() {\n    }\n}\n", "java")[0])
    assert inner is not None
    assert [piece.key[:2] for piece in inner.pieces] == [
        ("constant", b"B"),
        ("constant", b"C"),
        ("method", b"f"),
    ]


def test_blank_lines_at_the_end_of_a_section_belong_to_no_piece() -> None:
    (section,) = pieces("# A\n\n## B\n\ntext\n\n## C\n\nmore\n", "markdown")
    inner = open_piece(section)
    assert inner is not None
    assert [(piece.lead, piece.text) for piece in inner.pieces] == [
        (b"\n", b"## B\n\ntext\n"),
        (b"\n", b"## C\n\nmore\n"),
    ]


def test_a_section_of_blank_lines_is_no_piece() -> None:
    text = "---\ntitle: a\n---\n\n## B\n\ntext\n"
    whole = body(text, "markdown")
    assert text_of(whole) == text.encode()
    assert [piece.text for piece in whole.pieces] == [b"---\ntitle: a\n---\n", b"## B\n\ntext\n"]


def test_namesakes_that_nothing_tells_apart_are_text_where_a_number_would_tell_nothing() -> None:
    text = ".a {\n  b: c;\n}\n\n.a {\n  d: e;\n}\n"
    once = pieces(".a {\n  b: c;\n}\n", "css")
    (two, one) = identify(pieces(text, "css"), once)
    assert [piece.role for piece in (*two, *one)] == [Role.PLAIN] * 3
    assert [piece.lead for piece in two] == [b"", b"\n"]


def test_groups_without_a_name_are_told_by_their_first_name_where_there_are_several() -> None:
    low = "const (\n\tLow = iota\n\tHigh\n)\n"
    one, two = identify(
        pieces(f"package a\n\n{low}", "go"), pieces(f'package a\n\nconst (\n\tName = ""\n)\n\n{low}', "go")
    )
    assert one[-1].key == two[-1].key
    assert one[-1].key != two[-2].key


def test_an_import_that_is_a_call_is_told_by_what_it_calls() -> None:
    assert [piece.role for piece in pieces(RUBY, "ruby")][:2] == [Role.IMPORT, Role.PLAIN]


def test_a_label_is_known_as_one() -> None:
    inside = [piece for outer in bodies(body(RUBY, "ruby")) for piece in outer.pieces if piece.label]
    assert [piece.text.strip() for piece in inside] == [b"private", b"open"]


def test_every_language_with_entities_has_a_sample_or_was_there_before() -> None:
    before = {"python", "go", "java", "javascript", "typescript", "tsx"}
    assert {name for name, language in LANGUAGES.items() if language.entities} == before | SAMPLES.keys()
