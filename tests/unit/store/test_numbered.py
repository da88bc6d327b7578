"""How a query with names becomes one with numbers."""

import pytest

from flowforge.store.transaction import numbered, planned


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


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("-- a word; and another;\nSELECT 1", ["SELECT 1"]),
        (
            "INSERT INTO a VALUES (%(b)s);\n  -- then;\nSELECT %(b)s",
            ["INSERT INTO a VALUES ($1)", "SELECT $1"],
        ),
        ("SELECT ';' AS a", ["SELECT ';' AS a"]),
    ],
)
def test_a_query_is_cut_where_statements_end_and_nowhere_else(query: str, statements: list[str]) -> None:
    plan = planned(query)
    told = [part.partition(" AS ")[2].strip() for part in plan.prepare.split("; PREPARE")]
    assert told == statements
    assert plan.execute.count("EXECUTE") == len(statements)


def test_a_plan_is_known_by_what_it_does_and_is_no_other_querys() -> None:
    one, two = planned("UPDATE jobs SET a = 1"), planned("UPDATE jobs SET a = 2")
    assert one.name.startswith("ff_update_jobs_")
    assert one.name != two.name
    assert len(one.name) < 60, "names are cut at 63 characters"
