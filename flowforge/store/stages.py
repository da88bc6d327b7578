"""What a running job leaves behind: attempts, stages with their checkpoints, push intents, answers to conflicts.

Every write is fenced twice: by the job's row, which the statement locks, and by the trigger of the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flowforge.store.transaction import Row, Transaction
from flowforge.store.values import as_json

_OPEN_EXECUTION = """
INSERT INTO job_executions (organization, job, attempt, fence, worker)
VALUES (%(organization)s, %(job)s, %(attempt)s, %(fence)s, %(worker)s)
"""


def _mine(then: str) -> str:
    """A statement over `mine`: the running job under this fence, locked, with an event told."""
    return _MINE.replace("<then>", then)


_MINE = """
WITH mine AS (UPDATE jobs SET last_seq = last_seq + 1
              WHERE id = %(job)s AND fence = %(fence)s AND state = 'running' RETURNING *),
told AS (INSERT INTO job_events (organization, job, seq, kind, data)
         SELECT organization, id, last_seq, %(kind)s, %(data)s FROM mine)<then>
"""

_START = _mine("""
-- A stage begins. A drained attempt is given back, so its number may come again: then the row begins anew.
INSERT INTO stage_runs (organization, job, stage, attempt, ordinal, fence, started_at)
SELECT organization, id, %(stage)s, attempts, %(ordinal)s, fence, clock_timestamp() - make_interval(secs => %(ago)s)
FROM mine
ON CONFLICT (job, stage, attempt) DO UPDATE SET fence = excluded.fence, ordinal = excluded.ordinal,
    started_at = excluded.started_at, completed_at = NULL, result = NULL
RETURNING (SELECT last_seq FROM mine) AS seq
""")

_FINISH = _mine("""
-- A stage has ended: its result, what is true after it, and the artifact from which another worker goes on.
, ended AS (
    UPDATE stage_runs SET result = %(result)s, reason = %(reason)s, sentence = %(sentence)s,
           next_action = %(next_action)s, evidence = %(evidence)s, outputs = %(outputs)s, seconds = %(seconds)s,
           work = %(work)s, checkpoint = %(checkpoint)s, fence = mine.fence, completed_at = clock_timestamp()
    FROM mine WHERE stage_runs.job = mine.id AND stage_runs.stage = %(stage)s
                AND stage_runs.attempt = mine.attempts)
SELECT last_seq AS seq FROM mine
""")

_STANDING = """
-- The last run of every stage in the order of the plan, with how often and how long it has run.
SELECT * FROM (SELECT DISTINCT ON (stage) *, count(*) FILTER (WHERE attempt > 0) OVER w AS tries,
                      coalesce(sum(seconds) FILTER (WHERE attempt > 0) OVER w, 0) AS spent
               FROM stage_runs WHERE job = %(job)s WINDOW w AS (PARTITION BY stage)
               ORDER BY stage, attempt DESC) AS last ORDER BY ordinal, started_at
"""

_INTEND = _mine("""
INSERT INTO push_intents (organization, repository, job, fence, attempt, kind, ref, old_sha, new_sha, bundle)
SELECT organization, repository, id, fence, attempts, %(what)s, %(ref)s, %(old)s, %(new)s, %(bundle)s FROM mine
RETURNING (SELECT last_seq FROM mine) AS seq
""")

_SETTLE = _mine("""
-- What is now known of the open intents of this job for this ref and commit. That it landed is true of all of them;
-- that this push did not says nothing about one of a past owner, which may have landed before, or be under way.
, settled AS (
    UPDATE push_intents SET outcome = %(outcome)s, fence = mine.fence,
           settled_at = CASE WHEN %(outcome)s <> 'unknown' THEN clock_timestamp() END
    FROM mine WHERE push_intents.job = mine.id AND ref = %(ref)s AND new_sha = %(new)s
                AND outcome IN ('intended', 'unknown')
                AND (%(outcome)s IN ('pushed', 'already') OR push_intents.fence = mine.fence))
SELECT last_seq AS seq FROM mine
""")

_INHERIT = """
-- A retry from a stage begins with the results of the stages before it, as if they had run in attempt 0.
INSERT INTO stage_runs (organization, job, stage, attempt, ordinal, fence, input_hash, result, reason, sentence,
                        next_action, evidence, outputs, seconds, work, checkpoint, started_at, completed_at)
SELECT organization, %(child)s, stage, 0, ordinal, 0, input_hash, result, reason, sentence, next_action, evidence,
       outputs, seconds, work, checkpoint, started_at, completed_at
FROM stage_runs WHERE job = %(parent)s AND (stage, attempt) IN (
    SELECT DISTINCT ON (stage) stage, attempt FROM stage_runs WHERE job = %(parent)s AND stage = ANY(%(stages)s)
    ORDER BY stage, attempt DESC)
"""

_OWN = """
-- Every commit id this job ever meant to push to the ref.
SELECT DISTINCT new_sha FROM push_intents WHERE job = %(job)s AND ref = %(ref)s
"""


_MEANT = """
-- What this job ever meant for the ref, oldest first, and what is known of it.
SELECT old_sha AS old, new_sha AS new, outcome FROM push_intents WHERE job = %(job)s AND ref = %(ref)s ORDER BY id
"""

_PUSHED = """
-- What a job meant to push, oldest first, and how many seconds ago.
SELECT ref, old_sha, new_sha, outcome, bundle, attempt,
       extract(epoch FROM clock_timestamp() - created_at)::float8 AS age
FROM push_intents WHERE job = %(job)s AND kind = 'push' ORDER BY id
"""

_UNDOINGS = """
-- The jobs that undo, or undid, what a job pushed to a branch.
SELECT id, state FROM jobs WHERE organization = %(organization)s AND parent_job = %(parent)s
    AND trigger = 'undo' AND branch = %(branch)s ORDER BY created_at
"""


Story = tuple[str, Mapping[str, object]]  # the kind of an event, and what it says


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """What is written when a stage has ended."""

    stage: str
    result: str
    reason: str
    sentence: str
    next_action: str
    evidence: str
    outputs: Mapping[str, object]
    seconds: float
    work: Mapping[str, object]
    checkpoint: str


def open_execution(
    transaction: Transaction, *, organization: UUID, job: UUID, attempt: int, fence: int, worker: str
) -> None:
    transaction.run(
        _OPEN_EXECUTION, organization=organization, job=job, attempt=attempt, fence=fence, worker=worker
    )


def start(
    transaction: Transaction,
    job: UUID,
    fence: int,
    *,
    stage: str,
    ordinal: int,
    story: Story,
    ago: float = 0.0,
) -> int | None:
    """A stage began `ago` seconds ago; the event's number, or None when the lease is another's."""
    return _told(transaction, _START, job, fence, story, stage=stage, ordinal=ordinal, ago=ago)


def finish(transaction: Transaction, job: UUID, fence: int, row: StageRow, story: Story) -> int | None:
    """A stage has ended; the event's number, or None when the lease is another's."""
    return _told(transaction, _FINISH, job, fence, story, **vars(row))


def last_runs(transaction: Transaction, job: UUID) -> list[Row]:
    """The last row of each stage, in the order of the plan."""
    return transaction.rows(_STANDING, job=job)


def inherit(transaction: Transaction, parent: UUID, child: UUID, stages: Sequence[str]) -> None:
    """Copy the last runs of these stages to a child that has not begun."""
    transaction.run(_INHERIT, parent=parent, child=child, stages=list(stages))


def intend(
    transaction: Transaction,
    job: UUID,
    fence: int,
    *,
    ref: str,
    old: str,
    new: str,
    story: Story,
    what: str = "push",
    bundle: str = "",
) -> int | None:
    """A push (or an undo) may happen from now on; the event's number, or None when the lease is another's."""
    return _told(transaction, _INTEND, job, fence, story, ref=ref, old=old, new=new, what=what, bundle=bundle)


def settle(
    transaction: Transaction, job: UUID, fence: int, *, ref: str, new: str, outcome: str, story: Story
) -> int | None:
    """Note what became of a push; again is harmless. None when the lease is another's."""
    return _told(transaction, _SETTLE, job, fence, story, ref=ref, new=new, outcome=outcome)


def own_shas(transaction: Transaction, job: UUID, ref: str) -> frozenset[str]:
    return frozenset(row["new_sha"] for row in transaction.rows(_OWN, job=job, ref=ref))


def meant(transaction: Transaction, job: UUID, ref: str) -> list[Row]:
    return transaction.rows(_MEANT, job=job, ref=ref)


def pushed(transaction: Transaction, job: UUID) -> list[Row]:
    return transaction.rows(_PUSHED, job=job)


def undoings(transaction: Transaction, organization: UUID, parent: UUID, branch: str) -> list[Row]:
    return transaction.rows(_UNDOINGS, organization=organization, parent=parent, branch=branch)


def add_resolutions(transaction: Transaction, rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of `conflict_resolutions`; `hunks` is stored as a JSON list."""
    transaction.insert("conflict_resolutions", *({**row, "hunks": as_json(row["hunks"])} for row in rows))


def _told(
    transaction: Transaction, statement: str, job: UUID, fence: int, story: Story, **values: object
) -> int | None:
    kind, data = story
    row = transaction.prepared_row(statement, job=job, fence=fence, kind=kind, data=data, **values)
    return None if row is None else int(row["seq"])
