"""Whether a long queue and a long history cost anything, and what an idle service asks of its database.

`python -m tests.bench.scale [--json] [--queued N] [--finished N] [--runs N]`, four parts:

- with 10 000 jobs queued, claims of the next jobs one by one, and the relay's looks at such a queue. The floor of
  a claim is the same by psycopg2: begin, update one row by its key, commit;
- how long the lists in Redis get while a relay and two workers of four threads drain such a queue for some seconds;
- with a million finished jobs of twenty organizations (rows made by SQL, triggers off), the pages of `GET /jobs`:
  newest, by state, by branch, a hundred pages down. The floor is a page by primary key;
- the service with an API, a relay and two workers that have nothing to do: what the server's own log says it was
  asked, a second; beside it with the frames of its transactions (begin, commit), each of which is a round trip.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import psycopg2

from flowforge.core.job import State
from flowforge.jobs.claim import claim
from flowforge.jobs.relay import Relay
from flowforge.queues.broker import make_broker
from flowforge.queues.doorbell import Doorbell
from flowforge.store import jobs as table
from flowforge.store import schedule
from flowforge.store.schedule import Worker
from flowforge.store.scope import Scope
from tests.bench.machine import Machine, machine, median, percentile, report, show, until
from tests.faults.site import free_port

PROCESSES, THREADS = 2, 4
IDLE = 20.0  # seconds
DRAIN = 8.0
AT_MOST = {
    "claim_p95_ms": 20.0,
    "list_p95_ms": 100.0,
    "rings_by_slots": 2.0,
    "idle_queries_a_second": 5.0,
}

FRAMES = {"BEGIN", "COMMIT", "ROLLBACK"}
_STATEMENT = re.compile(r"LOG:  statement:\s+(\S+)")  # the first word of each

_QUEUE = """
INSERT INTO jobs (id, organization, repository, priority, branch, target, task, environment, ref_key, state, queued_at,
                  turn_at, last_seq)
SELECT gen_random_uuid(), '{organization}', '{repository}', n %% 10, 'topic-' || n, 'main', '', '{{}}',
       'refs/heads/topic-' || n, 'queued', now(), now() + make_interval(secs => n * 0.001), 2
FROM generate_series(1, {count}) n
"""
_FINISHED = """
INSERT INTO jobs (id, organization, repository, priority, branch, target, task, environment, ref_key, state, result,
                  reason, created_at, queued_at, completed_at, turn_at, attempts, fence, last_seq)
SELECT gen_random_uuid(), o.id, r.id, 5, 'topic-' || n %% 500, 'main', '', '{{}}', 'refs/heads/topic-' || n %% 500,
       (ARRAY['success', 'failed', 'cancelled'])[1 + n %% 3], (ARRAY['success', 'failure', 'cancellation'])[1 + n %% 3],
       'done', t, t, t + interval '1 min', t, 1, 1, 20
FROM generate_series(1, {count}) n
CROSS JOIN LATERAL (SELECT now() - make_interval(secs => n * 3.0) AS t) AS times
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS number FROM organizations) o
     ON o.number = 1 + n %% (SELECT count(*) FROM organizations)
JOIN repositories r ON r.organization = o.id
"""


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def fill(made: Machine, statement: str, **values: object) -> None:
    """Rows by SQL, without the triggers that would write a story for each."""
    text = statement.format(**values).replace("%%", "%")
    made.run(
        "ALTER TABLE jobs DISABLE TRIGGER USER", text, "ALTER TABLE jobs ENABLE TRIGGER USER", "ANALYZE jobs"
    )


def queue(made: Machine, count: int) -> None:
    made.clear()
    fill(made, _QUEUE, organization=made.first.organization, repository=made.repository, count=count)


def claims(made: Machine, queued: int, runs: int) -> dict[str, float]:
    """Claims and looks in turn with the floor."""
    queue(made, queued)
    with made.system.transaction(Scope.system()) as transaction:
        worker = Worker(id="bench", host="bench", version="1", slots=runs)
        schedule.beat(transaction, worker, draining=False)
    relay = Relay(
        database=made.system, bell=Silent(), wait=lambda _seconds: None, cap=10 * queued, alive=3600.0
    )
    begun = time.perf_counter()
    picked = relay.ring()
    first = (time.perf_counter() - begun) * 1000
    rows: dict[str, list[float]] = {"claim": [], "floor": [], "look": []}
    plain = psycopg2.connect(made.urls.system)
    for job in picked:
        rows["claim"].append(timed(lambda job=job: claim(made.system, job, "bench")))  # type: ignore[misc]  # mypy cannot infer the default
        rows["floor"].append(timed(lambda job=job: touch(plain, job)))  # type: ignore[misc]  # as above
        rows["look"].append(timed(relay.ring))
    plain.close()
    made.run("DELETE FROM workers")
    return {
        "claim_p50_ms": median(rows["claim"]),
        "claim_p95_ms": percentile(rows["claim"], 0.95),
        "claim_floor_p95_ms": percentile(rows["floor"], 0.95),
        "claim_by_floor": median(rows["claim"]) / median(rows["floor"]),
        "first_look_ms": first,
        "look_p95_ms": percentile(rows["look"], 0.95),
    }


def touch(connection: "psycopg2.extensions.connection", job: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET last_seq = last_seq + 1 WHERE id = %s", (str(job),))
    connection.commit()


class Silent:
    """A bell without a sound."""

    def ring_all(self, _jobs: object) -> tuple[UUID, ...]:
        return ()

    def waiting(self) -> int:
        return 0


def lists(made: Machine, queued: int) -> dict[str, float]:
    """The most rings that lay in Redis at one moment, by the slots there are."""
    bell, most, looks = Doorbell(broker=make_broker(made.redis_url)), 0, 0
    with made.workers(PROCESSES, THREADS):
        queue(made, queued)
        with made.relay():
            until(lambda: made.value("SELECT count(*) FROM jobs WHERE state = 'success'"))
            end = time.monotonic() + DRAIN
            while time.monotonic() < end:
                most, looks = max(most, bell.waiting()), looks + 1
                time.sleep(0.002)
        done = made.value("SELECT count(*) FROM jobs WHERE state = 'success'")
    return {"rings_by_slots": most / (PROCESSES * THREADS), "ring_looks": looks, "drained": done}


def pages(made: Machine, finished: int, runs: int) -> dict[str, float]:
    made.clear()
    with organizations(made):
        fill(made, _FINISHED, count=finished)
        made.run("VACUUM ANALYZE jobs")
        kinds: dict[str, list[float]] = {"newest": [], "state": [], "branch": [], "deep": [], "floor": []}
        cursor = deep(made, 100)
        one = made.value("SELECT 1")
        assert one == 1
        for _ in range(runs):
            kinds["newest"].append(timed(lambda: page(made)))
            kinds["state"].append(timed(lambda: page(made, state=State.CANCELLED)))
            kinds["branch"].append(timed(lambda: page(made, repository=made.repository, branch="topic-7")))
            kinds["deep"].append(timed(lambda: page(made, after=cursor)))
            kinds["floor"].append(timed(lambda: page(made, limit=1)))
    every = [value for name, values in kinds.items() if name != "floor" for value in values]
    return {
        "list_p50_ms": median(every),
        "list_p95_ms": percentile(every, 0.95),
        "list_floor_p95_ms": percentile(kinds["floor"], 0.95),
        **{
            f"list_{name}_p95_ms": percentile(kinds[name], 0.95)
            for name in ("newest", "state", "branch", "deep")
        },
    }


@contextmanager
def organizations(made: Machine) -> Iterator[None]:
    made.run(
        "INSERT INTO organizations (id, name, slug) SELECT gen_random_uuid(), 'o' || n, 'o' || n "
        "FROM generate_series(2, 20) n",
        "INSERT INTO repositories (id, organization, name, url, default_branch) SELECT gen_random_uuid(), id, 'r', "
        "'https://git.example.org/r.git', 'main' FROM organizations WHERE slug LIKE 'o%'",
    )
    yield


def page(
    made: Machine,
    *,
    limit: int = 50,
    state: State | None = None,
    repository: UUID | None = None,
    branch: str | None = None,
    after: tuple[datetime, UUID] | None = None,
) -> list[tuple[datetime, UUID]]:
    scope = Scope.organization(made.first.organization)
    with made.app.transaction(scope, read_only=True) as tx:
        found = table.page(tx, limit=limit, state=state, repository=repository, branch=branch, after=after)
    return [(job.created_at, job.id) for job in found]


def deep(made: Machine, down: int) -> tuple[datetime, UUID]:
    cursor = page(made)[-1]
    for _ in range(down - 1):
        cursor = page(made, after=cursor)[-1]
    return cursor


def idle(made: Machine) -> dict[str, float]:
    made.clear()
    with (
        made.relay(),
        made.process("flowforge.wiring.child", "api", FLOWFORGE_PORT=str(free_port())),
        made.workers(PROCESSES, THREADS),
    ):
        time.sleep(8.0)  # what is done once at a start is over
        made.run("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
        time.sleep(IDLE)
        made.run("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    said = _STATEMENT.findall((made.folder / "postgres" / "postgres.log").read_text())
    asked = [word for word in said if word not in FRAMES]
    return {"idle_queries_a_second": len(asked) / IDLE, "idle_round_trips_a_second": len(said) / IDLE}


def run(queued: int, finished: int, runs: int) -> dict[str, object]:
    figures: dict[str, float] = {}
    with machine() as made:
        for part in (
            lambda: idle(made),
            lambda: claims(made, queued, runs),
            lambda: lists(made, queued),
            lambda: pages(made, finished, runs),
        ):
            found = part()
            print(
                {name: round(value, 3) for name, value in found.items()}, os.getloadavg()[0], file=sys.stderr
            )
            figures |= found
    return report("scale", figures, AT_MOST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--finished", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=200, help="of each claim and page")
    asked = parser.parse_args()
    return show(run(asked.queued, asked.finished, asked.runs), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
