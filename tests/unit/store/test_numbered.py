"""How a query with names becomes one with numbers."""

import pytest

from flowforge.store.transaction import numbered


@pytest.mark.parametrize(
    ("query", "text", "order"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("SELECT %(a)s, %(b)s", "SELECT $1, $2", ("a", "b")),
        ("SELECT %(b)s, %(a)s, %(b)s", "SELECT $1, $2, $1", ("b", "a")),
        ("SELECT 'x' LIKE 'x%%' AND %(a)s", "SELECT 'x' LIKE 'x%%' AND $1", ("a",)),
        ("SELECT '%%(a)s'", "SELECT '%%(a)s'", ()),
    ],
)
def test_each_name_gets_one_number(query: str, text: str, order: tuple[str, ...]) -> None:
    assert numbered(query) == (text, order)
