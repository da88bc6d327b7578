"""The schema of an answer, and the reading of it."""

import json

import pytest

from flowforge.core.verdict import Level
from flowforge.resolve.answer_shape import MAX_ANSWER, Flaw, Problem
from flowforge.review.shape import MAX_ROWS, SCHEMA, Category, Rows, read_rows

ROW = {
    "path": "a.py",
    "start": 1,
    "end": 2,
    "level": "warning",
    "category": "bug",
    "message": "It breaks.",
    "why": "",
    "suggestion": "",
}


def read(*rows: object) -> Rows:
    found = read_rows(json.dumps({"findings": rows}))
    assert isinstance(found, Rows), found
    return found


def test_a_row_is_read_with_its_types() -> None:
    (row,) = read(ROW).rows
    assert (row.level, row.category, row.start, row.message) == (Level.WARNING, Category.BUG, 1, "It breaks.")


def test_no_finding_is_an_answer() -> None:
    assert read() == Rows(rows=())


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", Flaw.EMPTY),
        ("  \n", Flaw.EMPTY),
        ("Sure! Here are my findings:", Flaw.NOT_JSON),
        ("```json\n{}\n```", Flaw.NOT_JSON),
        ('{"findings": [', Flaw.NOT_JSON),
        ('{"findings": NaN}', Flaw.NOT_JSON),
        ("[" * 100_000, Flaw.NOT_JSON),
        ('{"findings": ' + "9" * 5000 + "}", Flaw.NOT_JSON),
        ("[]", Flaw.SCHEMA),
        ("null", Flaw.SCHEMA),
        ("{}", Flaw.SCHEMA),
        ('{"findings": {}}', Flaw.SCHEMA),
        ('{"findings": [], "verdict": "approved"}', Flaw.SCHEMA),
        ('{"findings": [], "findings": []}', Flaw.SCHEMA),
        (" " * (MAX_ANSWER + 1) + "{}", Flaw.TOO_LARGE),
    ],
)
def test_an_answer_that_is_none_is_a_problem(text: str, flaw: Flaw) -> None:
    found = read_rows(text)
    assert isinstance(found, Problem)
    assert found.flaw is flaw


@pytest.mark.parametrize(
    "slip",
    [
        {"path": 3},
        {"path": None},
        {"start": "1"},
        {"start": 1.0},
        {"start": True},
        {"end": None},
        {"level": "critical"},
        {"level": ["error"]},
        {"category": "style"},
        {"category": None},
        {"message": None},
        {"message": ["x"]},
        {"message": "x" * 4001},
        {"message": "\ud800"},
        {"suggestion": {"command": "rm"}},
        {"action": "approve"},
    ],
    ids=str,
)
def test_a_row_that_is_misshapen_costs_itself_only(slip: dict[str, object]) -> None:
    found = read({**ROW, **slip}, ROW)
    assert (len(found.rows), found.misshapen) == (1, 1)


@pytest.mark.parametrize("name", sorted(ROW))
def test_a_row_that_lacks_a_field_costs_itself_only(name: str) -> None:
    found = read({key: value for key, value in ROW.items() if key != name}, "no row", None, ROW)
    assert (len(found.rows), found.misshapen) == (1, 3)


def test_thousands_of_rows_are_counted_and_not_read() -> None:
    found = read(*[ROW] * 5_000)
    assert (len(found.rows), found.unread) == (MAX_ROWS, 5_000 - MAX_ROWS)


def test_the_schema_asks_for_exactly_what_is_read() -> None:
    items = SCHEMA["properties"]["findings"]["items"]  # type: ignore[index]
    assert set(items["properties"]) == set(items["required"]) == set(ROW)
    assert items["additionalProperties"] is SCHEMA["additionalProperties"] is False
    assert items["properties"]["level"]["enum"] == [level.value for level in Level]
    assert items["properties"]["category"]["enum"] == [category.value for category in Category]
