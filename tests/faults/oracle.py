"""What must be true after any scenario, asked where it is true or not: Postgres, the server's reflogs, the disk.

Each promise is a function that returns what it finds broken, as sentences; nothing found is an empty list. The
numbers are those of the reliability page.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg2
from psycopg2.extras import RealDictCursor

from flowforge.core.job import FINAL, TABLE, State
from tests.faults.leaks import files_with, forms, keys_with, tables_with
from tests.faults.updates import Meant, left_behind, not_once, pair, pushed
from tests.gitrepo import git

LANDED = frozenset({"pushed", "already"})
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Where to look."""

    database: str  # url of an administrator, who sees all organizations
    served: Path  # the folder of bare repositories
    data: Path  # the service's own folder
    said: Path | None = None  # the folder of what its processes said
    redis: str = ""  # url
    canaries: tuple[str, ...] = ()  # secrets that were handed in, and must come out nowhere
    billed: Callable[[], Decimal] | None = None  # dollars on the bill of the model server that all jobs ask

    def rows(self, query: str, **values: object) -> list[Row]:
        with (
            closing(psycopg2.connect(self.database)) as connection,
            connection.cursor(cursor_factory=RealDictCursor) as cursor,
        ):
            cursor.execute(query, {name: _plain(value) for name, value in values.items()})
            return list(cursor.fetchall())

    def of_jobs(self, table: str, jobs: Sequence[UUID], order: str) -> dict[str, list[Row]]:
        """The rows of these jobs by job, in order; a job without rows has an empty list."""
        query = f"SELECT * FROM {table} WHERE job::text = ANY(%(jobs)s) ORDER BY {order}"  # noqa: S608 (our own words)
        found: dict[str, list[Row]] = {str(job): [] for job in jobs}
        for row in self.rows(query, jobs=[str(job) for job in jobs]):
            found[str(row["job"])].append(row)
        return found

    def jobs(self, jobs: Sequence[UUID]) -> list[Row]:
        return self.rows(
            "SELECT j.*, r.url FROM jobs j JOIN repositories r ON r.id = j.repository WHERE j.id::text = ANY(%(jobs)s)",
            jobs=[str(job) for job in jobs],
        )

    def meant(self, url: str, asked: Sequence[UUID]) -> dict[str, list[Meant]]:
        """What any job ever meant for the refs of a repository; what the jobs that are `asked` say of themselves."""
        by_job: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows(_MEANT, url=url):
            by_job.setdefault((row["ref"], row["job"]), []).append(row)
        found: dict[str, list[Meant]] = {}
        mine = {str(job) for job in asked}
        for (ref, job), rows in by_job.items():
            pairs = frozenset(pair(row["old_sha"], row["new_sha"]) for row in rows)
            landed = job in mine and any(row["outcome"] == "pushed" for row in rows)
            gone = job in mine and rows[0]["state"] in {State.CANCELLED, State.SUPERSEDED}
            one = Meant(job=job, state=rows[0]["state"], pairs=pairs, landed=landed, gone=gone)
            found.setdefault(ref, []).append(one)
        return found

    def bare(self, url: str) -> Path:
        return self.served / urlsplit(url).path.lstrip("/")


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value


_MEANT = """
SELECT i.job::text AS job, i.ref, i.old_sha, i.new_sha, i.outcome, j.state
FROM push_intents i JOIN jobs j ON j.id = i.job JOIN repositories r ON r.id = i.repository
WHERE r.url = %(url)s ORDER BY i.id
"""
Promise = Callable[[Truth, Sequence[UUID]], Iterator[str]]


def accepted_jobs_end(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O1, asked when the scenario's time is over."""
    known = {str(row["id"]): row["state"] for row in truth.jobs(jobs)}
    yield from (f"job {job} was accepted and is gone" for job in jobs if str(job) not in known)
    yield from (f"job {job} is still {state}" for job, state in known.items() if State(state) not in FINAL)


def a_ref_moves_once(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O2: each update by us is one that a job meant, from and to; for each ref a job makes one, or none."""
    for url in sorted({job["url"] for job in truth.jobs(jobs)}):
        found = pushed(truth.bare(url))  # before the intents are read: each is older than its update
        meant = truth.meant(url, jobs)
        for ref in sorted({*found, *meant}):
            yield from not_once(ref, found.get(ref, []), meant.get(ref, []))
    for job, rows in truth.of_jobs("push_intents", jobs, "id").items():
        reason = next((row["reason"] for row in truth.jobs(jobs) if str(row["id"]) == job), "")
        if reason == "pushed" and not any(row["outcome"] in LANDED for row in rows):
            yield f"job {job} says pushed, and no push of it has landed"


def a_cancelled_job_changed_nothing(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O3: what a job that says so has meant, others have done, each once, or nobody has."""
    for url in sorted({job["url"] for job in truth.jobs(jobs)}):
        found = pushed(truth.bare(url))
        for ref, meant in truth.meant(url, jobs).items():
            yield from left_behind(ref, found.get(ref, []), meant)


def fences_never_go_down(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O4: in the order in which they were written."""
    executions = truth.of_jobs("job_executions", jobs, "started_at")
    for job, rows in executions.items():
        fences = [row["fence"] for row in rows]
        yield from (f"job {job}: fences {a}, then {b}" for a, b in pairwise(fences) if b <= a)
    for table, order in (("stage_runs", "started_at"), ("push_intents", "created_at")):
        for job, rows in truth.of_jobs(table, jobs, order).items():
            highest = max((row["fence"] for row in executions[job]), default=0)
            fences = [row["fence"] for row in rows]
            yield from (f"job {job}: {table} has fence {f} of no attempt" for f in fences if f > highest)


def only_legal_moves(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O5: the events tell one unbroken way through the table, ending where the job stands."""
    legal = {(before.value, event.value): after.value for (before, event), after in TABLE.items()}
    events = truth.of_jobs("job_events", jobs, "seq")
    states = {str(job["id"]): job["state"] for job in truth.jobs(jobs)}
    for job, rows in events.items():
        told = [row["data"] for row in rows if "to" in row["data"]]
        if [row["to"] for row in told[:1]] != ["pending"]:
            yield f"job {job} began as {told[:1]}"
        for before, after in pairwise(told):
            move = (after["from"], after["event"])
            if after["from"] != before["to"] or legal.get(move) != after["to"]:
                yield f"job {job}: {before['to']}, then {after}"
        if told and told[-1]["to"] != states[job]:
            yield f"job {job} is {states[job]}, and its last event says {told[-1]['to']}"


_SPENT = """
SELECT coalesce(sum(cost_usd) FILTER (WHERE state IN ('settled', 'expired')), 0) AS settled,
       coalesce(sum(amount_usd) FILTER (WHERE state = 'reserved'), 0) AS reserved,
       count(*) FILTER (WHERE state IN ('reserved', 'expired')) AS unknown, count(*) AS calls
FROM budget_reservations WHERE %(job)s = '' OR job::text = %(job)s
"""
_USED = (
    "SELECT coalesce(sum(cost_usd), 0) AS usd FROM model_usage WHERE NOT cache_hit AND job::text = %(job)s"
)
_OVERDRAWN = """
SELECT b.id, b.amount_usd, t.spent_usd + t.reserved_usd AS taken FROM budgets b
JOIN budget_totals t ON t.kind = 'budget' AND t.subject = b.id WHERE t.spent_usd + t.reserved_usd > b.amount_usd
"""
ROUNDING = Decimal("0.000001")  # a call, upwards


def what_is_spent_is_what_is_billed(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O6: no call without a reservation, no budget overdrawn, no dollar on the bill that the ledger does not hold.

    A call whose end nobody saw stays in the ledger at its worst, so that the ledger may hold more than the bill then.
    """
    for job in jobs:
        spent, used = truth.rows(_SPENT, job=job)[0], truth.rows(_USED, job=job)[0]["usd"]
        if used > spent["settled"]:
            yield f"job {job} used ${used} and settled ${spent['settled']}"
    for row in truth.rows(_OVERDRAWN):
        yield f"budget {row['id']} of ${row['amount_usd']} has ${row['taken']} taken from it"
    if truth.billed is not None:
        bill, all_ = truth.billed(), truth.rows(_SPENT, job="")[0]
        if bill > all_["settled"] + all_["reserved"]:
            yield f"${bill} are billed, the ledger holds ${all_['settled']} and ${all_['reserved']} reserved"
        if not all_["unknown"] and all_["settled"] > bill + all_["calls"] * ROUNDING:
            yield f"${all_['settled']} are settled, and only ${bill} were billed"


def no_secret_shows(truth: Truth, _jobs: Sequence[UUID]) -> Iterator[str]:
    """O7: not in the database, in files (artifacts, mirrors' settings, logs), or in Redis."""
    words = {form for canary in truth.canaries for form in forms(canary)}
    if not words:
        return
    yield from (f"a secret is in table {name}" for name in tables_with(truth, words))
    folders = (truth.data, *((truth.said,) if truth.said else ()))
    for folder in folders:
        yield from (f"a secret is in file {name}" for name in files_with(folder, words))
    if truth.redis:
        yield from (f"a secret is in Redis under {name}" for name in keys_with(truth.redis, words))


def nothing_is_left_over(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O8: no lease, no open attempt, no workspace of an ended job, no process that works for one."""
    for job in truth.jobs(jobs):
        if job["lease_until"] is not None and State(job["state"]) in FINAL:
            yield f"job {job['id']} has ended and holds a lease"
    for job_id, rows in truth.of_jobs("job_executions", jobs, "started_at").items():
        yield from (
            f"attempt {row['attempt']} of {job_id} is open" for row in rows if row["completed_at"] is None
        )
    yield from (f"process {pid} is left: {words}" for pid, words in strays(truth.data))


def strays(data: Path) -> Iterator[tuple[int, str]]:
    """Processes that work on a mirror or a workspace of the service, by their words, environment or folder."""
    places = (str(data / "mirrors"), str(data / "workspaces"))
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = _text(entry / "cmdline")
            seen = f"{words} {_text(entry / 'environ')} {(entry / 'cwd').readlink()}"
        except OSError:  # it has just ended
            continue
        if any(place in seen for place in places):
            yield int(entry.name), words


def _text(file: Path) -> str:
    return file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")


def logs_are_complete_and_in_order(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O9: one row of numbers over events and pieces of log without a gap; each stage's bytes without one."""
    events = truth.of_jobs("job_events", jobs, "seq")
    chunks = truth.of_jobs("log_chunks", jobs, "seq")
    last = {str(job["id"]): job["last_seq"] for job in truth.jobs(jobs)}
    for job, number in last.items():
        seqs = sorted(row["seq"] for row in (*events[job], *chunks[job]))
        if seqs != list(range(1, number + 1)):
            yield f"job {job}: numbers {seqs} of {number}"
        ends: dict[tuple[str, int], int] = {}
        for row in chunks[job]:
            place = (row["stage"], row["attempt"])
            if row["start_byte"] != ends.get(place, 0):
                yield f"job {job}: {place} goes on at {row['start_byte']}, not at {ends.get(place, 0)}"
            ends[place] = row["start_byte"] + len(row["bytes"])


def the_pushed_tree_is_the_tested_tree(truth: Truth, jobs: Sequence[UUID]) -> Iterator[str]:
    """O10, with the remote's own word for its tree; what an earlier attempt had pushed, that attempt had tested."""
    runs = truth.of_jobs("stage_runs", jobs, "started_at")
    for job in truth.jobs(jobs):
        outputs = job["outputs"]
        if job["reason"] != "pushed" or "test" not in outputs:
            continue
        tree = git(truth.bare(job["url"]), "rev-parse", f"{outputs['push']['new']}^{{tree}}").decode().strip()
        told = {outputs["push"]["tree"]} if "tree" in outputs["push"] else set()
        tested = {row["outputs"].get("tree") for row in runs[str(job["id"])] if row["stage"] == "test"}
        trees = {tree, *told, *({outputs["test"]["tree"]} if told else tested & {tree} or tested)}
        if len(trees) > 1:
            yield f"job {job['id']}: tested, pushed and remote trees are {trees}"


PROMISES: Mapping[str, Promise] = {
    "O1": accepted_jobs_end,
    "O2": a_ref_moves_once,
    "O3": a_cancelled_job_changed_nothing,
    "O4": fences_never_go_down,
    "O5": only_legal_moves,
    "O6": what_is_spent_is_what_is_billed,
    "O7": no_secret_shows,
    "O8": nothing_is_left_over,
    "O9": logs_are_complete_and_in_order,
    "O10": the_pushed_tree_is_the_tested_tree,
}


def broken_promises(truth: Truth, jobs: Sequence[UUID]) -> list[str]:
    """Every promise asked of these jobs."""
    return [f"{name}: {what}" for name, promise in PROMISES.items() for what in promise(truth, jobs)]
