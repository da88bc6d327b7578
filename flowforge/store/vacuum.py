"""How the tables stand with Postgres' own housekeeping, and what an operator should do about it.

FlowForge does not vacuum: Postgres does, and migrations told it how soon for the tables that are written most. What is
said here is where that was not enough. Sizes and counts are the server's estimates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowforge.store.guards import SYSTEM
from flowforge.store.transaction import Transaction

MANY = 10_000  # rows below which nothing is worth a word
DEAD = 0.2  # share of dead rows
LARGE = 64 << 20  # bytes below which bloat is not worth the lock
BLOAT = 2.0  # times the size that the rows need
OLD = 1_000_000_000  # transactions; at two thousand million Postgres stops to take writes
AHEAD = 14.0  # days for which partitions must stand

# Statistics of columns are shown only to who may read the rows, so this one runs as the owner; it shows none of them.
FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION ff_table_health() RETURNS TABLE (name text, live bigint, dead bigint, bytes bigint,
    needed bigint, vacuums bigint, vacuumed_at timestamptz, age bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.relname::text, s.n_live_tup, s.n_dead_tup, pg_relation_size(c.oid),
           (SELECT ceil(c.reltuples * (28 + sum((1 - t.null_frac) * t.avg_width))
                        / (8168 * coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions)
                                            WHERE option_name = 'fillfactor'), 100) / 100.0))::bigint * 8192
            FROM pg_stats t WHERE t.schemaname = 'public' AND t.tablename = c.relname AND c.reltuples > 0),
           s.vacuum_count + s.autovacuum_count, greatest(s.last_vacuum, s.last_autovacuum),
           age(c.relfrozenxid)::bigint
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE s.schemaname = 'public' AND c.relkind = 'r' ORDER BY 1
$$;
REVOKE ALL ON FUNCTION ff_table_health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ff_table_health() TO {SYSTEM};
"""  # noqa: S608 (our own constants)

_TABLES = "SELECT name, live, dead, bytes, needed, vacuums, vacuumed_at, age FROM ff_table_health()"

_AUTOVACUUM = "SELECT current_setting('autovacuum')::boolean"

_PARTITIONS = """
-- For how many days from now there is a partition of each parent, and whether rows fell into the net below them.
SELECT parent AS name,
       coalesce((SELECT extract(epoch FROM max((regexp_match(pg_get_expr(c.relpartbound, c.oid),
            'TO \\(''([^'']+)''\\)'))[1]::timestamptz) - now())::float8 / 86400
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass('public.' || parent)), 0) AS ahead,
       coalesce((SELECT s.n_live_tup FROM pg_stat_user_tables s WHERE s.relname = parent || '_rest'), 0) AS rest
FROM unnest(%(parents)s) AS parent
"""


@dataclass(frozen=True, kw_only=True)
class TableHealth:
    """One table, or one partition."""

    name: str
    live: int
    dead: int
    bytes: int  # without indexes and long texts
    needed: int | None  # bytes that its rows need; None where Postgres has no statistics yet
    vacuums: int  # since its statistics begin
    vacuumed_at: datetime | None
    age: int  # transactions since its oldest row was frozen

    @property
    def dead_share(self) -> float:
        return self.dead / max(1, self.live + self.dead)


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """How a partitioned table is provided for."""

    name: str
    ahead: float  # days
    rest: int  # rows that came when their partition was not there


@dataclass(frozen=True, kw_only=True)
class Hint:
    """Something that an operator should do."""

    table: str
    code: (
        str  # autovacuum_off | dead_rows | never_vacuumed | bloat | old_rows | no_partition | misplaced_rows
    )
    sentence: str
    next_action: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """What `look` found."""

    autovacuum: bool
    tables: tuple[TableHealth, ...]
    partitions: tuple[Ahead, ...]


def look(transaction: Transaction, parents: Sequence[str]) -> Health:
    """Ask the server."""
    return Health(
        autovacuum=bool(transaction.value(_AUTOVACUUM)),
        tables=tuple(TableHealth(**row) for row in transaction.rows(_TABLES)),
        partitions=tuple(Ahead(**row) for row in transaction.rows(_PARTITIONS, parents=list(parents))),
    )


def hints(health: Health) -> tuple[Hint, ...]:
    """What should be done, the gravest first."""
    return tuple(_hints(health))


def _hints(health: Health) -> Iterator[Hint]:
    if not health.autovacuum:
        yield Hint(
            table="",
            code="autovacuum_off",
            sentence="autovacuum is switched off, so dead rows stay and no statistics are made",
            next_action="ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();",
        )
    for partition in health.partitions:
        yield from _of_partition(partition)
    for table in health.tables:
        yield from _of_table(table)


def _of_partition(partition: Ahead) -> Iterator[Hint]:
    if partition.ahead < AHEAD:
        yield Hint(
            table=partition.name,
            code="no_partition",
            sentence=f"partitions stand for the next {partition.ahead:.0f} days only",
            next_action="let a relay run, or call: flowforge db maintain",
        )
    if partition.rest:
        yield Hint(
            table=partition.name,
            code="misplaced_rows",
            sentence=f"about {partition.rest} rows came when there was no partition for them",
            next_action="flowforge db maintain moves those of this and coming weeks; older ones stay where they are",
        )


def _of_table(table: TableHealth) -> Iterator[Hint]:
    if table.age > OLD:
        yield Hint(
            table=table.name,
            code="old_rows",
            sentence=f"its oldest rows are {table.age} transactions old; at 2000000000 the server stops writing",
            next_action=f"VACUUM (FREEZE) {table.name};",
        )
    if table.dead > MANY and table.dead_share > DEAD:
        yield Hint(
            table=table.name,
            code="dead_rows",
            sentence=f"{table.dead_share:.0%} of its rows are dead ({table.dead} of {table.live + table.dead})",
            next_action=f"VACUUM (ANALYZE) {table.name};",
        )
    elif not table.vacuums and table.live + table.dead > MANY:
        yield Hint(
            table=table.name,
            code="never_vacuumed",
            sentence=f"it was never vacuumed and has about {table.live} rows",
            next_action=f"VACUUM (ANALYZE) {table.name};",
        )
    if table.needed and table.bytes > LARGE and table.bytes > BLOAT * table.needed:
        yield Hint(
            table=table.name,
            code="bloat",
            sentence=f"it takes {table.bytes >> 20} MiB where its rows need about {table.needed >> 20} MiB",
            next_action=f"in a quiet hour, as it locks the table: VACUUM FULL {table.name};",
        )
