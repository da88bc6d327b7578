"""What a long queue costs: the relay and the claim where there are groups and pauses, and a person who looks at it.

`python -m tests.bench.queue [--json] [--jobs N] [--runs N]`, two parts with 10 000 queued:

- the pick and the claim as they are, beside the same statements without groups and pauses (the floor), interleaved on
  the same queue, each undone after it was timed. First no job has a group and nothing is paused; then every second
  job is one of a group and five things are paused. The pick rings for 8 slots; jobs are of 20 organizations, 50 of
  them on branches that another job writes too;
- the pages of `GET /queue` (20 jobs, and 100) and the answer of `GET /jobs/{id}` for the first and the last job of the
  queue, as functions and over HTTP from one client. All jobs are of one organization and one repository, every second
  one of a group, and 2 000 are finished. The floor is what such a page cannot be had without: a bare count of the
  queued jobs and a bare list of 20 of them. And once more with all jobs in one group, which is the longest line there is.
"""

import argparse
import http.client
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from uuid import UUID

from flowforge.jobs import queue as view
from flowforge.jobs import read
from flowforge.jobs.why import why
from flowforge.store import jobs as table
from flowforge.store import schedule
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction
from tests.bench.machine import Machine, machine, median, percentile, report, show, until
from tests.faults.site import free_port

ORGANIZATIONS, SLOTS, GROUP, PAUSES = 20, 8, 5, 5
AT_MOST = {
    "claim_p95_ms": 20.0,
    "grouped_claim_p95_ms": 20.0,
    "pick_ratio": 1.5,
    "claim_ratio": 1.5,
    "page_p95_ms": 50.0,
    "page_http_p95_ms": 50.0,
    "page_by_floor": 2.0,
    "why_p95_ms": 20.0,
    "one_group_page_p95_ms": 50.0,
}
ALIVE = 3600.0  # the bench's worker does not beat

_FILL = """
INSERT INTO organizations (id, name, slug)
SELECT md5('o' || o)::uuid, 'bench', 'bench-' || o FROM generate_series(1, %(organizations)s) o;
INSERT INTO repositories (id, organization, name, url)
SELECT md5('r' || o)::uuid, md5('o' || o)::uuid, 'bench', 'https://git.example.org/r'
FROM generate_series(1, %(organizations)s) o;
INSERT INTO jobs (id, organization, repository, branch, target, task, ref_key, priority, turn_at)
SELECT md5('j' || n)::uuid, md5('o' || (n %% %(organizations)s + 1))::uuid,
       md5('r' || (n %% %(organizations)s + 1))::uuid, 'b' || n, 'main', '',
       'refs/heads/b' || CASE WHEN n <= 50 THEN n %% 5 ELSE n END, n %% 10,
       now() - make_interval(secs => 60 * (n %% 10)) + make_interval(secs => n * 0.01)
FROM generate_series(1, %(jobs)s) n;
UPDATE jobs SET state = 'queued'
"""

_GROUPED = """
UPDATE jobs SET concurrency_policy = 'queue', concurrency_group = 'g' || (hashtext(id::text) %% (%(jobs)s / 2 / %(group)s))
WHERE hashtext(id::text) %% 2 = 0;
INSERT INTO pauses (id, organization, repository, target, reason)
SELECT md5('p' || o)::uuid, md5('o' || o)::uuid, CASE WHEN o > 1 THEN md5('r' || o)::uuid END,
       CASE WHEN o > 3 THEN 'release' END, 'bench' FROM generate_series(1, %(pauses)s) o
"""

_LONG = """
INSERT INTO jobs (id, organization, repository, branch, target, task, environment, ref_key, priority, state, queued_at,
                  turn_at, last_seq, concurrency_policy, concurrency_group)
SELECT md5('j' || n)::uuid, '{organization}', '{repository}', 'b' || n, 'main', '', '{{}}', 'refs/heads/b' || n, n % 10,
       'queued', now(), now() - make_interval(secs => 60 * (n % 10)) + make_interval(secs => n * 0.01), 2,
       CASE WHEN n % 2 = 0 THEN 'queue' ELSE '' END, CASE WHEN n % 2 = 0 THEN 'g' || (n % ({jobs} / 10)) ELSE '' END
FROM generate_series(1, {jobs}) n;
INSERT INTO jobs (id, organization, repository, branch, target, task, environment, ref_key, state, result, reason,
                  started_at, completed_at, attempts, fence, last_seq)
SELECT md5('d' || n)::uuid, '{organization}', '{repository}', 'd' || n, 'main', '', '{{}}', 'refs/heads/d' || n,
       'success', 'success', 'done', now() - make_interval(secs => 60 * n), now() - make_interval(secs => 50 * n), 1, 1, 20
FROM generate_series(1, 2000) n
"""

_COUNT = "SELECT count(*) FROM jobs WHERE organization = %(organization)s AND state = 'queued'"

_LIST = """
SELECT * FROM jobs WHERE organization = %(organization)s AND state = 'queued' ORDER BY turn_at, id LIMIT %(limit)s
"""

_PICK_WITHOUT = """
WITH alive AS MATERIALIZED (
    SELECT id, slots FROM workers
    WHERE NOT draining AND seen_at > now() - make_interval(secs => %(alive)s)),
taken AS MATERIALIZED (
    SELECT organization, repository, ref_key, state, owner FROM jobs WHERE state = 'running'
    UNION ALL
    SELECT organization, repository, ref_key, state, owner FROM jobs WHERE state = 'queued' AND rung_at IS NOT NULL),
free AS MATERIALIZED (
    SELECT greatest(0, least(%(most)s, (SELECT coalesce(sum(slots), 0) FROM alive)
        - (SELECT count(*) FROM taken WHERE state = 'queued' OR owner IN (SELECT id FROM alive)))) AS slots),
ready AS (
    SELECT j.id, j.turn_at, coalesce(t.n, 0)
           + row_number() OVER (PARTITION BY o.id ORDER BY j.turn_at, j.id) AS share,
           coalesce((o.settings ->> 'max_running')::int, %(cap)s) AS cap
    FROM organizations o
    LEFT JOIN (SELECT organization, count(*) AS n FROM taken GROUP BY organization) t ON t.organization = o.id
    CROSS JOIN LATERAL (
        SELECT id, turn_at FROM jobs q
        WHERE q.organization = o.id AND q.state = 'queued' AND q.rung_at IS NULL
          AND (q.run_after IS NULL OR q.run_after <= now())
          AND (q.ref_key = '' OR (
               NOT EXISTS (SELECT FROM taken w WHERE w.repository = q.repository AND w.ref_key = q.ref_key)
               AND NOT EXISTS (SELECT FROM jobs e WHERE e.repository = q.repository AND e.ref_key = q.ref_key
                               AND e.state = 'queued' AND (e.turn_at, e.id) < (q.turn_at, q.id)
                               AND (e.run_after IS NULL OR e.run_after <= now()))))
        ORDER BY q.turn_at, q.id LIMIT (SELECT slots FROM free)) j
    WHERE (SELECT slots FROM free) > 0),
chosen AS (
    SELECT id, share, turn_at FROM ready WHERE share <= cap
    ORDER BY share, turn_at, id LIMIT (SELECT slots FROM free)),
ordered AS MATERIALIZED (SELECT array_agg(id ORDER BY share, turn_at, id) AS ids FROM chosen)
UPDATE jobs SET rung_at = now() FROM ordered
WHERE jobs.id = ANY(ordered.ids) AND concat(jobs.state) = 'queued' AND jobs.rung_at IS NOT DISTINCT FROM NULL
RETURNING jobs.id, jobs.priority, array_position(ordered.ids, jobs.id) AS place
"""

_CLAIM_WITHOUT = """
UPDATE jobs SET state = 'running', owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease)s),
                fence = fence + 1, attempts = attempts + 1, run_after = NULL, reason = NULL, sentence = '',
                next_action = '', evidence = ''
WHERE id = (SELECT id FROM jobs j WHERE id = %(id)s AND state = 'queued' AND attempts < max_attempts
                   AND (run_after IS NULL OR run_after <= now())
                   AND NOT EXISTS (SELECT FROM jobs w WHERE w.repository = j.repository AND w.ref_key = j.ref_key
                                   AND w.ref_key <> '' AND w.state = 'running')
            FOR UPDATE SKIP LOCKED)
RETURNING *
"""


class Undone(Exception):
    """What was timed is rolled back."""


def timed(made: Machine, statement: Callable[[Transaction], object]) -> float:
    """Milliseconds of one statement, beside its transaction."""
    seconds = 0.0
    with suppress(Undone), made.system.transaction(Scope.system()) as transaction:
        begun = time.perf_counter()
        assert statement(transaction)
        seconds = time.perf_counter() - begun
        raise Undone
    return seconds * 1000


def pick(transaction: Transaction) -> object:
    return schedule.pick(transaction, alive=3600, most=500, cap=50).jobs


def pick_without(transaction: Transaction) -> object:
    return transaction.prepared(_PICK_WITHOUT, alive=3600, most=500, cap=50)


def claim(job: UUID) -> Callable[[Transaction], object]:
    return lambda transaction: table.claim(transaction, job, "w", 15.0)


def claim_without(job: UUID) -> Callable[[Transaction], object]:
    return lambda transaction: transaction.prepared_row(_CLAIM_WITHOUT, id=job, owner="w", lease=15.0)


def measured(made: Machine, runs: int) -> dict[str, float]:
    """Medians, 95th percentiles and ratios of both sides, interleaved."""
    with made.system.transaction(Scope.system()) as transaction:
        first = schedule.pick(transaction, alive=3600, most=500, cap=50).jobs
        schedule.unring(transaction, *(job for job, _ in first))
    jobs = cycle([job for job, _ in first])
    rows: dict[str, list[float]] = {name: [] for name in ("pick", "pick_floor", "claim", "claim_floor")}
    for number in range(runs):
        job = next(jobs)
        pairs = [
            ("pick_floor", pick_without),
            ("pick", pick),
            ("claim_floor", claim_without(job)),
            ("claim", claim(job)),
        ]
        for name, statement in pairs if number % 2 else reversed(pairs):  # who comes first finds colder pages
            rows[name].append(timed(made, statement))
    return {
        **{f"{name}_p50_ms": median(values) for name, values in rows.items()},
        **{f"{name}_p95_ms": percentile(values, 0.95) for name, values in rows.items()},
        "pick_ratio": median(rows["pick"]) / median(rows["pick_floor"]),
        "claim_ratio": median(rows["claim"]) / median(rows["claim_floor"]),
    }


# ----------------------------------------------------------------------------------------- who looks at it


def looks(made: Machine, jobs: int, runs: int) -> dict[str, float]:
    """Milliseconds of what a person asks of a long queue."""
    long_queue(made, jobs)
    ends = [queued(made, order) for order in ("turn_at, id", "turn_at DESC, id DESC")]
    asked: dict[str, Callable[[], object]] = {
        "floor": lambda: bare(made),
        "page": lambda: page(made, 20),
        "page_of_100": lambda: page(made, 100),
        "why_first": lambda: reason(made, ends[0]),
        "why": lambda: reason(made, ends[1]),
    }
    with api(made) as get:
        asked["page_http"] = lambda: get("/api/v1/queue")
        asked["why_http"] = lambda: get(f"/api/v1/jobs/{ends[1]}")
        asked["list_http"] = lambda: get("/api/v1/jobs?limit=20")  # what any page over HTTP takes
        rows = in_turn(asked, runs)
    made.run("UPDATE jobs SET concurrency_policy = 'queue', concurrency_group = 'one'", "VACUUM ANALYZE jobs")
    longest = in_turn({"one_group_page": asked["page"], "one_group_why": asked["why"]}, runs)
    return {
        **{f"{name}_p50_ms": median(values) for name, values in {**rows, **longest}.items()},
        **{f"{name}_p95_ms": percentile(values, 0.95) for name, values in {**rows, **longest}.items()},
        "page_by_floor": median(rows["page"]) / median(rows["floor"]),
    }


def in_turn(asked: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(runs):
        for name, ask in asked.items():
            begun = time.perf_counter()
            ask()
            rows[name].append((time.perf_counter() - begun) * 1000)
    return rows


def long_queue(made: Machine, jobs: int) -> None:
    """Rows by SQL, without the triggers that would write a story for each."""
    made.clear()
    text = _LONG.format(organization=made.first.organization, repository=made.repository, jobs=jobs)
    made.run(
        "ALTER TABLE jobs DISABLE TRIGGER USER", text, "ALTER TABLE jobs ENABLE TRIGGER USER", "ANALYZE jobs"
    )


def queued(made: Machine, order: str) -> UUID:
    with made.system.transaction(Scope.system()) as transaction:
        query = f"SELECT id FROM jobs WHERE state = 'queued' ORDER BY {order} LIMIT 1"  # noqa: S608 (our own)
        found: UUID = transaction.value(query)
        return found


def asks(made: Machine, question: Callable[[Transaction], object]) -> object:
    scope = Scope.organization(made.first.organization)
    with made.app.transaction(scope, read_only=True) as transaction:
        return question(transaction)


def bare(made: Machine) -> object:
    mine = made.first.organization
    return asks(
        made, lambda tx: (tx.value(_COUNT, organization=mine), tx.rows(_LIST, organization=mine, limit=20))
    )


def page(made: Machine, limit: int) -> object:
    return asks(made, lambda tx: view.look(tx, made.first.organization, limit=limit, alive=ALIVE))


def reason(made: Machine, job: UUID) -> object:
    return asks(made, lambda tx: why(tx, read.get(tx, job), alive=ALIVE))


@contextmanager
def api(made: Machine) -> Iterator[Callable[[str], bytes]]:
    """An API process, and a client of it that keeps its connection."""
    port = free_port()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(path: str) -> bytes:
        client.request("GET", path, headers={"Authorization": f"Bearer {made.first.token}"})
        answer = client.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body

    def answers() -> bool:
        try:
            return bool(get("/api/v1/queue"))
        except OSError:
            client.close()
            return False

    with made.process("flowforge.wiring.child", "api", FLOWFORGE_PORT=str(port)):
        until(answers)
        yield get
        client.close()


def run(jobs: int, runs: int) -> dict[str, object]:
    with machine() as made:
        with made.system.transaction(Scope.system()) as transaction:
            transaction.run(_FILL, jobs=jobs, organizations=ORGANIZATIONS)
            worker = schedule.Worker(id="w", host="h", version="1", slots=SLOTS)
            schedule.beat(transaction, worker, draining=False)
        made.run("ANALYZE")
        plain = measured(made, runs)
        with made.system.transaction(Scope.system()) as transaction:
            transaction.run(_GROUPED, jobs=jobs, group=GROUP, pauses=PAUSES)
        made.run("ANALYZE")
        grouped = measured(made, runs)
        looked = looks(made, jobs, runs)
    figures = {
        **plain,
        **{f"grouped_{name}": value for name, value in grouped.items() if "floor" not in name},
        **looked,
    }
    return report("queue", figures, AT_MOST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=101)
    asked = parser.parse_args()
    return show(run(asked.jobs, asked.runs), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
