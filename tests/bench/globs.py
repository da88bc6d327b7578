"""What `flowforge memory list` pays for a glob: 50 000 answers of a repository, among those of twenty.

`python -m tests.bench.globs [--json] [--rows N] [--runs N]`: every question is asked in two ways, in turns, each first
in half of the runs: as up to now (the expression against every row, texts and all) and by the index of paths. The index
is there for the second way only, in a copy of the table. Both must name the same keys.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from uuid import UUID

from flowforge.jobs import answers
from flowforge.jobs.answers import Wanted, expression
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction
from tests.bench.machine import Machine, machine, median, percentile, report, show
from tests.bench.recall import _FILL, _REPOSITORY, REPOSITORIES, TEXT, digest

GLOBS = {
    "folder": "src/part7/**",
    "none": "*.json",
    "name": "file77.py",
    "middle": "**/part7/*",
    "all": "src/**",
}
AT_MOST = {"folder_p95_ms": 20.0, "name_p95_ms": 250.0, "all_p95_ms": 100.0, "slowest_ratio": 1.0}
LIMIT = 51

_BEFORE = """
SELECT key, path, size, rung, rule, why, confirmed, by_user, by_name, refused, job, commit_id, uses, created_at,
       last_used_at
FROM answers_before WHERE repository = %(repository)s AND path ~ %(path)s
ORDER BY created_at DESC, key DESC LIMIT %(limit)s
"""
_POLICY = """
CREATE POLICY own ON answers_before USING (
    organization = (SELECT nullif(current_setting('ff.organization', true), '')::uuid))
"""
_COPY = (
    "CREATE TABLE answers_before (LIKE kept_answers INCLUDING ALL)",
    "DROP INDEX {index}",
    "INSERT INTO answers_before SELECT * FROM kept_answers",
    "ALTER TABLE answers_before ENABLE ROW LEVEL SECURITY",
    _POLICY,
    "GRANT SELECT ON answers_before TO ff_app",
    "VACUUM ANALYZE answers_before",
)
_PATHS = "SELECT indexname AS name FROM pg_indexes WHERE tablename = 'answers_before' AND indexdef LIKE '%%COLLATE%%'"


def filled(made: Machine, rows: int) -> None:
    made.run(
        _REPOSITORY.format(organization=made.first.organization, count=REPOSITORIES),
        _FILL.format(digest=digest(TEXT), text=b"?".hex() * 120, count=rows, repositories=REPOSITORIES),
        "VACUUM ANALYZE kept_answers",
        _COPY[0],
    )
    with made.system.transaction(Scope.system(), read_only=True) as tx:
        (index,) = tx.rows(_PATHS)
    made.run(*(statement.format(index=index["name"]) for statement in _COPY[1:]))


def asked(made: Machine, ask: Callable[[Transaction], list[bytes]]) -> tuple[list[bytes], float]:
    begun = time.perf_counter()
    with made.app.transaction(Scope.organization(made.first.organization), read_only=True) as tx:
        keys = ask(tx)
    return keys, (time.perf_counter() - begun) * 1000


def ways(repository: UUID, glob: str) -> Mapping[str, Callable[[Transaction], list[bytes]]]:
    def before(tx: Transaction) -> list[bytes]:
        rows = tx.rows(_BEFORE, repository=repository, path=expression(glob), limit=LIMIT)
        return [row["key"] for row in rows]

    def now(tx: Transaction) -> list[bytes]:
        return [row["key"] for row in answers.page(tx, repository, Wanted(path=glob), limit=LIMIT)]

    return {"before": before, "now": now}


def measured(made: Machine, runs: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, glob in GLOBS.items():
        both = ways(made.repository, glob)
        found: dict[str, list[float]] = {"before": [], "now": []}
        for number in range(runs):
            said = {way: asked(made, both[way]) for way in sorted(both, reverse=bool(number % 2))}
            assert said["before"][0] == said["now"][0], glob
            for way, (_keys, ms) in said.items():
                found[way].append(ms)
        figures |= {
            f"{name}_before_p50_ms": median(found["before"]),
            f"{name}_p50_ms": median(found["now"]),
            f"{name}_p95_ms": percentile(found["now"], 0.95),
            f"{name}_ratio": median(found["now"]) / median(found["before"]),
        }
    figures["slowest_ratio"] = max(figures[f"{name}_ratio"] for name in GLOBS if name != "all")
    return figures


def run(rows: int, runs: int) -> dict[str, object]:
    with machine() as made:
        filled(made, rows)
        figures = {"rows": float(rows), "of_the_repository": rows / REPOSITORIES, **measured(made, runs)}
    return report("globs", figures, AT_MOST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    return show(run(given.rows, given.runs), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
