"""How long history is kept, and how it goes: by batches, along indexes that stand, and never the job's own row.

Ids of jobs hold the time at which they were made (uuid version 7), so what belongs to old jobs is the beginning of
every index over a job's id: no look walks over what stays. When a job ended decides; its id only says where to look.
Some tables of history take no DELETE from anybody (see `guards`), hence the functions.

What names something outside the database (the commits after a stage, those that a push replaced) goes after that:
`jobs.bundles` removes it and clears the name.
"""

from dataclasses import dataclass

from flowforge.store.guards import SYSTEM
from flowforge.store.transaction import Transaction

# What else must be true of a row: what it names outside the database is gone, or the time of its own text is over.
_ALSO = {
    "job_events": "",
    "git_operations": "",
    "log_chunks": "AND EXISTS (SELECT FROM public.log_archives a WHERE a.job = h.job AND a.removed_at IS NOT NULL)",
    "stage_runs": "AND h.checkpoint = ''",
    "conflict_resolutions": "AND h.sealed_text IS NULL",
    "push_intents": "AND h.bundle = ''",
}
HISTORY = tuple(_ALSO)
PARTITIONED = ("audit_logs", "job_executions")
SPENDING = ("model_usage", "budget_reservations")

_CASES = "\n        ".join(f"WHEN '{kind}' THEN $also$ {also} $also$" for kind, also in _ALSO.items())

FUNCTIONS = f"""
-- The smallest id of a job that was made at this moment.
CREATE OR REPLACE FUNCTION ff_first_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

CREATE OR REPLACE FUNCTION ff_forget_history(kind text, before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    gone bigint;
    also text := CASE kind
        {_CASES} END;
BEGIN
    IF also IS NULL THEN
        RAISE EXCEPTION '% is not kept for a time', kind;
    END IF;
    EXECUTE format('DELETE FROM public.%I WHERE ctid = ANY (ARRAY(SELECT h.ctid FROM public.%I h '
        'WHERE h.job < public.ff_first_id($1) AND (SELECT j.completed_at FROM public.jobs j WHERE j.id = h.job) < $1 '
        '%s ORDER BY h.job LIMIT $2))', kind, kind, also) USING before, most;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;

-- Numbers of calls grow with time, so what is old stands at the beginning; no look goes beyond `most` rows.
CREATE OR REPLACE FUNCTION ff_forget_usage(before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE gone bigint;
BEGIN
    DELETE FROM public.model_usage WHERE ctid = ANY (ARRAY(
        SELECT first.ctid FROM (SELECT u.ctid, u.at FROM public.model_usage u ORDER BY u.id LIMIT most) AS first
        WHERE first.at < before));
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION ff_forget_history(text, timestamptz, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION ff_forget_usage(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ff_forget_history(text, timestamptz, integer) TO {SYSTEM};
GRANT EXECUTE ON FUNCTION ff_forget_usage(timestamptz, integer) TO {SYSTEM};
"""  # noqa: S608 (our own constants)

_FORGET = "SELECT ff_forget_history(%(kind)s, now() - make_interval(days => %(days)s), %(most)s)"

_COUNT = """
-- As many rows as `_FORGET` would find, up to a bound. A question for each row, and no join: a join would begin at the
-- first of all jobs, which is further away from what is left of their history with every batch.
SELECT count(*) FROM (
    SELECT 1 FROM {kind} h
    WHERE h.job < ff_first_id(now() - make_interval(days => %(days)s))
      AND (SELECT j.completed_at FROM jobs j WHERE j.id = h.job) < now() - make_interval(days => %(days)s) {also}
    LIMIT %(most)s) AS found
"""

_FORESEEN = {
    kind: also for kind, also in _ALSO.items() if kind != "log_chunks"
}  # those are noted as removed first

_FORGET_SPENT = {
    "model_usage": "SELECT ff_forget_usage(now() - make_interval(days => %(days)s), %(most)s)",
    "budget_reservations": """
-- What was reserved and is settled: the totals of its budgets stay.
WITH gone AS (
    DELETE FROM budget_reservations WHERE id IN (
        SELECT id FROM budget_reservations
        WHERE id < ff_first_id(now() - make_interval(days => %(days)s)) AND state <> 'reserved'
          AND ended_at < now() - make_interval(days => %(days)s)
        ORDER BY id LIMIT %(most)s FOR UPDATE SKIP LOCKED) RETURNING 1)
SELECT count(*) FROM gone
""",
}

_COUNT_SPENT = {
    "model_usage": """
SELECT count(*) FROM (
    SELECT 1 FROM model_usage WHERE id < coalesce((SELECT id FROM model_usage
        WHERE at >= now() - make_interval(days => %(days)s) ORDER BY id LIMIT 1), (1::bigint << 62))
    LIMIT %(most)s) AS found
""",
    "budget_reservations": """
SELECT count(*) FROM (
    SELECT 1 FROM budget_reservations
    WHERE id < ff_first_id(now() - make_interval(days => %(days)s)) AND state <> 'reserved'
      AND ended_at < now() - make_interval(days => %(days)s) LIMIT %(most)s) AS found
""",
}

_WITH_TEXTS = """
SELECT j.id FROM jobs j WHERE j.completed_at < now() - make_interval(days => %(days)s) AND j.texts_erased_at IS NULL
ORDER BY j.completed_at LIMIT %(most)s
"""

_ERASE = f"""
-- The definition as it ran and the variables that came with the job; what it was and how it ended stays.
UPDATE jobs SET pipeline = '', environment = '{{}}', texts_erased_at = now()
WHERE id IN ({_WITH_TEXTS} FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 (our own constants)

_ERASED = "SELECT texts_erased_at IS NOT NULL FROM jobs WHERE id = %(id)s"

_DROP = "SELECT * FROM ff_drop_partitions(%(parent)s, now() - make_interval(days => %(days)s)) AS name"

_PAST = """
-- As many partitions as `_DROP` would find.
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('public.' || quote_ident(%(parent)s))
  AND (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz
      <= now() - make_interval(days => %(days)s)
ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Days for which history is kept; 0 = for ever."""

    events: int = 90  # of jobs, and their git commands
    logs: int = 90
    executions: int = 400
    audit: int = 400
    texts: int = 90  # definitions and variables of finished jobs
    stages: int = 400  # of jobs, with the commits after them, and answers to their conflicts
    pushes: int = 400  # of jobs, with the commits that they replaced: so long they can be undone
    usage: int = 800  # of models, call by call
    memory: int = 400  # of answers to conflicts, since their last use

    def of(self, table: str) -> int:
        """Days of a table of `HISTORY`, `PARTITIONED` or `SPENDING`.

        A job can be retried from a stage for as long as its definition is there: so long its stages stay.
        """
        days = {
            "job_events": self.events,
            "git_operations": self.events,
            "log_chunks": self.logs,
            "stage_runs": max(self.stages, self.texts) if self.stages and self.texts else 0,
            "conflict_resolutions": self.stages,
            "push_intents": self.pushes,
            "job_executions": self.executions,
            "audit_logs": self.audit,
            "model_usage": self.usage,
            "budget_reservations": self.usage,
        }
        return days[table]


def forget(transaction: Transaction, kind: str, days: int, most: int) -> int:
    """Delete rows of jobs that ended more than `days` ago, at most so many; returns how many."""
    return int(transaction.value(_FORGET, kind=kind, days=days, most=most))


def forgettable(transaction: Transaction, kind: str, days: int, most: int) -> int:
    """How many rows there are to forget; `most` stands for "at least so many"."""
    if kind not in HISTORY:
        raise ValueError(f"{kind!r} is no table of history")
    return int(
        transaction.value(_COUNT.format(kind=kind, also=_FORESEEN.get(kind, "")), days=days, most=most)
    )


def forget_spent(transaction: Transaction, kind: str, days: int, most: int) -> int:
    """Delete rows of what models cost more than `days` ago, at most so many; returns how many."""
    return int(transaction.value(_FORGET_SPENT[kind], days=days, most=most))


def forgettable_spent(transaction: Transaction, kind: str, days: int, most: int) -> int:
    """How many rows `forget_spent` would delete; `most` stands for "at least so many"."""
    return int(transaction.value(_COUNT_SPENT[kind], days=days, most=most))


def erase_texts(transaction: Transaction, days: int, most: int) -> int:
    """Erase the texts of jobs that ended more than `days` ago, at most so many; returns of how many."""
    return transaction.run(_ERASE, days=days, most=most)


def erasable(transaction: Transaction, days: int, most: int) -> int:
    """Of how many jobs texts are to be erased."""
    return len(transaction.rows(_WITH_TEXTS, days=days, most=most))


def texts_erased(transaction: Transaction, job: object) -> bool:
    """Whether the job's definition and variables are gone, so that it cannot run again as it ran."""
    return bool(transaction.value(_ERASED, id=job))


def drop_past(transaction: Transaction, parent: str, days: int) -> list[str]:
    """Drop the partitions that are older than `days`; returns their names."""
    return [str(row["name"]) for row in transaction.rows(_DROP, parent=parent, days=days)]


def past(transaction: Transaction, parent: str, days: int) -> list[str]:
    """Names of the partitions that are older than `days`."""
    return [str(row["name"]) for row in transaction.rows(_PAST, parent=parent, days=days)]
