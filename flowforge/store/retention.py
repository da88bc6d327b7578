"""How long history is kept, and how it goes: by batches, along indexes that stand, and never the job's own row.

Ids of jobs hold the time at which they were made (uuid version 7), so what belongs to old jobs is the beginning of
every index over a job's id: no look walks over what stays. When a job ended decides; its id only says where to look.
The tables of history take no DELETE from anybody (see `guards`), hence the function.
"""

from dataclasses import dataclass

from flowforge.store.guards import SYSTEM
from flowforge.store.transaction import Transaction

HISTORY = ("job_events", "log_chunks", "git_operations")
PARTITIONED = ("audit_logs", "job_executions")

FUNCTIONS = f"""
-- The smallest id of a job that was made at this moment.
CREATE OR REPLACE FUNCTION ff_first_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

CREATE OR REPLACE FUNCTION ff_forget_history(kind text, before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE gone bigint;
BEGIN
    IF kind NOT IN ('job_events', 'log_chunks', 'git_operations') THEN
        RAISE EXCEPTION '% is not kept for a time', kind;
    END IF;
    EXECUTE format('DELETE FROM public.%I WHERE ctid = ANY (ARRAY(SELECT h.ctid FROM public.%I h '
        'WHERE h.job < public.ff_first_id($1) AND (SELECT j.completed_at FROM public.jobs j WHERE j.id = h.job) < $1 '
        'ORDER BY h.job LIMIT $2))', kind, kind) USING before, most;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION ff_forget_history(text, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ff_forget_history(text, timestamptz, integer) TO {SYSTEM};
"""  # noqa: S608 (our own constants)

_FORGET = "SELECT ff_forget_history(%(kind)s, now() - make_interval(days => %(days)s), %(most)s)"

_COUNT = """
-- As many rows as `_FORGET` would find, up to a bound. A question for each row, and no join: a join would begin at the
-- first of all jobs, which is further away from what is left of their history with every batch.
SELECT count(*) FROM (
    SELECT 1 FROM {kind} h
    WHERE h.job < ff_first_id(now() - make_interval(days => %(days)s))
      AND (SELECT j.completed_at FROM jobs j WHERE j.id = h.job) < now() - make_interval(days => %(days)s)
    LIMIT %(most)s) AS found
"""

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

    def of(self, table: str) -> int:
        """Days of a table of `HISTORY` or `PARTITIONED`."""
        days = {
            "job_events": self.events,
            "git_operations": self.events,
            "log_chunks": self.logs,
            "job_executions": self.executions,
            "audit_logs": self.audit,
        }
        return days[table]


def forget(transaction: Transaction, kind: str, days: int, most: int) -> int:
    """Delete rows of jobs that ended more than `days` ago, at most so many; returns how many."""
    return int(transaction.value(_FORGET, kind=kind, days=days, most=most))


def forgettable(transaction: Transaction, kind: str, days: int, most: int) -> int:
    """How many rows there are to forget; `most` stands for "at least so many"."""
    if kind not in HISTORY:
        raise ValueError(f"{kind!r} is no table of history")
    return int(transaction.value(_COUNT.format(kind=kind), days=days, most=most))


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
