"""Whether a long memory costs a job anything: questions to, and writes of, a memory of a million answers.

`python -m tests.bench.recall [--json] [--rows N] [--runs N]`: rows made by SQL, of twenty repositories. A question is
what a commit's conflicts cost before the ladder is climbed: a transaction of one organization, one statement, texts
opened. The floor is one row by its key through psycopg2: begin, select, commit. Every run asks for other keys.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg2

from flowforge.core.access import Role
from flowforge.jobs import answers
from flowforge.jobs.answers import Wanted
from flowforge.jobs.claim import claim
from flowforge.jobs.memory import StoredMemory, place, shelf_of
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.session import JobSession
from flowforge.resolve.memory import Given, digest
from flowforge.store.answers import Shelf
from flowforge.store.scope import Scope
from flowforge.vault.envelope import Vault
from tests.bench.machine import Machine, machine, median, percentile, report, show
from tests.integration.jobs.world import artifacts

REPOSITORIES = 20
AT_MOST = {"find_1_p95_ms": 10.0, "find_50_p95_ms": 50.0, "keep_50_p95_ms": 100.0, "page_p95_ms": 100.0}
TEXT = b"import os\nimport sys\n"

_REPOSITORY = """
INSERT INTO repositories (id, organization, name, url)
SELECT gen_random_uuid(), '{organization}', 'r' || n, 'https://git.example.org/' || n FROM generate_series(2, {count}) n
"""
_FILL = """
INSERT INTO kept_answers (organization, repository, key, path, digest, sealed_text, size, rung, rule, why, created_at,
                          last_used_at)
SELECT r.organization, r.id, sha256(n::text::bytea), 'src/part' || n % 997 || '/file' || n % 9973 || '.py',
       '\\x{digest}', '\\x{text}', 21, 'structural', 'words apart', 'the sides changed different words', t, t
FROM generate_series(1, {count}) n
CROSS JOIN LATERAL (SELECT now() - make_interval(secs => n * 3.0) AS t) AS times
JOIN (SELECT id, organization, row_number() OVER (ORDER BY id) - 1 AS number FROM repositories) r
     ON r.number = n % {repositories}
"""


class Plain:
    """Keys as a local key file wraps them, without the file: what is measured is the database's."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return key

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped


@dataclass(frozen=True, kw_only=True)
class Bench:
    made: Machine
    memory: StoredMemory
    known: Sequence[str]  # keys of the repository

    def timed(self, runs: int, work: Callable[[int], object]) -> list[float]:
        """Milliseconds of each run."""
        found = []
        for number in range(runs):
            begun = time.perf_counter()
            work(number)
            found.append((time.perf_counter() - begun) * 1000)
        return found

    def keys(self, number: int, count: int) -> list[str]:
        start = number * count * 7 % max(1, len(self.known) - count)
        return list(self.known[start : start + count])


def filled(made: Machine, rows: int) -> Bench:
    vault = Vault(Plain())
    identity = made.submit("bench")
    job = claim(made.system, identity, "bench", lease=3600.0)
    assert job is not None
    made.run(
        _REPOSITORY.format(organization=made.first.organization, count=REPOSITORIES),
        _FILL.format(digest=digest(TEXT), text=b"?".hex() * 120, count=rows, repositories=REPOSITORIES),
        "VACUUM ANALYZE kept_answers",
    )
    known = own_keys(made, job.repository, 20_000)
    seal(made, job.repository, vault, known)
    session = JobSession(job=job.id, fence=job.fence)
    recorder = FencedRecorder(database=made.system, job=job, session=session, artifacts=artifacts())
    return Bench(made=made, memory=StoredMemory(recorder=recorder, vault=vault), known=known)


def own_keys(made: Machine, repository: UUID, most: int) -> list[str]:
    with made.system.transaction(Scope.system()) as tx:
        rows = tx.rows(
            "SELECT key FROM kept_answers WHERE repository = %(r)s ORDER BY key LIMIT %(n)s",
            r=repository,
            n=most,
        )
    return [row["key"].hex() for row in rows]


def seal(made: Machine, repository: UUID, vault: Vault, keys: Sequence[str]) -> None:
    """Texts that open, for those rows that will be asked for."""
    connection = psycopg2.connect(made.admin_url)
    with connection, connection.cursor() as cursor:
        shelf = shelf_of_repository(made, repository)
        for key in keys:
            sealed = vault.seal(TEXT, place(shelf, key))
            cursor.execute(
                "UPDATE kept_answers SET sealed_text = %s WHERE organization = %s AND repository = %s AND key = %s",
                (sealed, str(shelf.organization), str(repository), bytes.fromhex(key)),
            )
    connection.close()
    made.run("VACUUM ANALYZE kept_answers")


def shelf_of_repository(made: Machine, repository: UUID) -> Shelf:
    return Shelf(organization=made.first.organization, repository=repository)


def measured(bench: Bench, runs: int) -> dict[str, float]:
    memory, figures = bench.memory, {}
    plain = psycopg2.connect(bench.made.urls.system)
    shelf = shelf_of(memory.recorder.job)

    def floor(number: int) -> None:
        with plain.cursor() as cursor:
            cursor.execute(
                "SELECT sealed_text FROM kept_answers WHERE organization = %s AND repository = %s AND key = %s",
                (str(shelf.organization), str(shelf.repository), bytes.fromhex(bench.keys(number, 1)[0])),
            )
            assert cursor.fetchone() is not None
        plain.commit()

    def find(count: int) -> Callable[[int], object]:
        def ask(number: int) -> None:
            assert len(memory.find(bench.keys(number, count))) == count

        return ask

    parts: dict[str, Callable[[int], object]] = {
        "floor": floor,
        "find_1": find(1),
        "find_50": find(50),
        "find_1000": find(1000),
        "miss_50": lambda number: memory.find([f"{number * 50 + n:064x}" for n in range(50)]),
        "keep_50": lambda number: memory.keep([new(number * 50 + n) for n in range(50)]),
        "use_50": lambda number: memory.keep([again(key, number) for key in bench.keys(number, 50)]),
        "page": lambda number: page(bench, Wanted(), number),
        "glob_page": lambda number: page(bench, Wanted(path=f"src/part{number}/**"), number),
    }
    for name, work in parts.items():
        found = bench.timed(runs if name != "find_1000" else max(10, runs // 5), work)
        figures |= {f"{name}_p50_ms": median(found), f"{name}_p95_ms": percentile(found, 0.95)}
    plain.close()
    floor_ms = figures["floor_p50_ms"]
    ratios = {f"find_{count}_by_floor": figures[f"find_{count}_p50_ms"] / floor_ms for count in (1, 50)}
    return {**figures, **ratios}


def new(number: int) -> Given:
    return Given(
        key=f"{number + (1 << 200):064x}", path="new.py", text=TEXT, rung="structural", rule="r", why="w", commit="c"
    )  # fmt: skip


def again(key: str, number: int) -> Given:
    return Given(key=key, path="x.py", text=TEXT, rung="memory", rule="r", why="w", commit=f"commit {number}")


def page(bench: Bench, wanted: Wanted, _number: int) -> None:
    job = bench.memory.recorder.job
    with bench.made.app.transaction(Scope.organization(job.organization), read_only=True) as tx:
        answers.page(tx, job.repository, wanted, limit=51)


def forgetting(bench: Bench) -> dict[str, float]:
    """One request's worth, and a whole repository."""
    job = bench.memory.recorder.job
    scope = Scope.organization(job.organization)
    begun = time.perf_counter()
    with bench.made.app.transaction(scope) as tx:
        principal = bench.made.principal
        assert principal.role >= Role.MAINTAINER
        done = answers.forget(tx, principal, job.repository, Wanted())
    return {"forget_10000_ms": (time.perf_counter() - begun) * 1000, "forgotten": done.count}


def run(rows: int, runs: int) -> dict[str, object]:
    with machine() as made:
        bench = filled(made, rows)
        size = made.value("SELECT pg_total_relation_size('kept_answers')") / rows
        figures = {"rows": float(rows), "bytes_a_row": size, **measured(bench, runs), **forgetting(bench)}
    return report("recall", figures, AT_MOST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=100)
    asked = parser.parse_args()
    return show(run(asked.rows, asked.runs), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
