"""What an operator is told about the tables: a table of findings, decided without a server."""

from dataclasses import replace

import pytest

from flowforge.store.vacuum import LARGE, MANY, OLD, Ahead, Health, TableHealth, hints

WELL = TableHealth(
    name="jobs",
    live=10 * MANY,
    dead=MANY,
    bytes=2 * LARGE,
    needed=2 * LARGE,
    vacuums=3,
    vacuumed_at=None,
    age=1000,
)
PROVIDED = Ahead(name="audit_logs", ahead=90.0, rest=0)


def codes(
    *tables: TableHealth, autovacuum: bool = True, partitions: tuple[Ahead, ...] = (PROVIDED,)
) -> list[str]:
    found = hints(Health(autovacuum=autovacuum, tables=tables, partitions=partitions))
    assert all(hint.sentence and hint.next_action for hint in found)
    return [hint.code for hint in found]


def test_what_is_well_needs_no_word() -> None:
    assert codes(WELL) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"dead": 5 * MANY}, "dead_rows"),
        ({"vacuums": 0}, "never_vacuumed"),
        ({"bytes": 5 * LARGE}, "bloat"),
        ({"age": OLD + 1}, "old_rows"),
    ],
)
def test_each_finding_has_its_code(changes: dict[str, int], code: str) -> None:
    assert codes(replace(WELL, **changes)) == [code]  # type: ignore[arg-type]  # all of these are numbers


@pytest.mark.parametrize(
    "changes",
    [
        {"dead": MANY, "live": 10},  # a small table may be half dead
        {"dead": 2 * MANY, "live": 10 * MANY},  # less than a fifth
        {"vacuums": 0, "live": 10, "dead": 0},
        {"bytes": LARGE, "needed": 1},  # not worth a lock
        {"bytes": 50 * LARGE, "needed": None},  # no statistics, no verdict
        {"age": OLD},
    ],
)
def test_what_is_small_or_unknown_is_no_finding(changes: dict[str, int]) -> None:
    assert codes(replace(WELL, **changes)) == []  # type: ignore[arg-type]  # as above


def test_a_table_that_is_dead_and_was_never_vacuumed_is_one_finding() -> None:
    assert codes(replace(WELL, dead=5 * MANY, vacuums=0)) == ["dead_rows"]


def test_the_server_and_the_partitions_come_first() -> None:
    short = (Ahead(name="audit_logs", ahead=3.0, rest=12), PROVIDED)
    assert codes(replace(WELL, dead=5 * MANY), autovacuum=False, partitions=short) == [
        "autovacuum_off",
        "no_partition",
        "misplaced_rows",
        "dead_rows",
    ]
