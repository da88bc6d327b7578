"""Paths through a tree, and the leaves of a stretch of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.merge.syntax import Node, find, leaves
from tests.unit.merge.languages import source


def first(text: str, language: str) -> Node:
    return source(text, language).root.named_children[0]


def at(text: str, language: str, path: str) -> str | None:
    found = find(first(text, language), path)
    return None if found is None or found.text is None else found.text.decode()


FUNCTION = "int *f(int a) { return a; }"
CALL = "require 'set'"
DIV = '<div class="x" id="y"></div>'


@pytest.mark.parametrize(
    ("language", "text", "path", "found"),
    [
        ("c", FUNCTION, "type", "int"),
        ("c", FUNCTION, "primitive_type", "int"),
        ("c", FUNCTION, "name", None),
        ("c", FUNCTION, "name|type", "int"),
        ("c", FUNCTION, "declarator/declarator/declarator", "f"),
        ("c", FUNCTION, "declarator*", "f"),
        ("c", FUNCTION, "body/return_statement", "return a;"),
        ("c", "int a;", "declarator*", "a"),
        ("c", FUNCTION, "value*", FUNCTION),
        ("c", FUNCTION, ".", FUNCTION),
        ("c", FUNCTION, ".*", FUNCTION),
        ("ruby", CALL, "method[.=require]", "require"),
        ("ruby", CALL, "method[.=require|require_relative]", "require"),
        ("ruby", CALL, "method[.=load]", None),
        ("ruby", CALL, "method[.=load]|arguments", "'set'"),
        ("html", DIV, "start_tag/attribute[attribute_name=id]/quoted_attribute_value", '"y"'),
        ("html", DIV, "start_tag/attribute/quoted_attribute_value", '"x"'),
        ("html", DIV, "start_tag/attribute[attribute_name=title]", None),
        ("html", DIV, "start_tag/attribute[attribute_value=id]", None),
    ],
)
def test_a_path_leads_to_a_node_or_to_none(language: str, text: str, path: str, found: str | None) -> None:
    assert at(text, language, path) == found


def leaf_texts(text: str, language: str) -> list[str]:
    whole = source(text, language)
    return [whole.text[low:high].decode() for low, high, _ in leaves(whole, 0, len(whole.text))]


def test_leaves_are_the_smallest_nodes_and_atoms_stay_whole() -> None:
    assert leaf_texts("x = 'a b'\n", "python") == ["x", "=", "'a b'"]


def test_text_that_no_leaf_covers_is_one_of_its_own() -> None:
    text = "a { margin: 10px; }\n"
    found = leaf_texts(text, "css")
    assert "".join("".join(found).split()) == "".join(text.split())


@pytest.mark.parametrize("language", ["python", "css", "markdown", "html", "bash", "php"])
@given(text=st.text("ab1 \n<>=/#-`|:;{}'\"", max_size=60))
def test_leaves_cover_everything_but_whitespace(language: str, text: str) -> None:
    assert "".join("".join(leaf_texts(text, language)).split()) == "".join(text.split())
