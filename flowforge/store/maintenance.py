"""What time does to rows: partitions to come and past, history and texts whose time is over, old reservations.

Run by the relay once in a while and by `flowforge db maintain`, as ff_system. Every step is safe to repeat, and
many processes may do it at once. A step that would wait for somebody's lock gives up and is done the next time: what
tidies up must never hold up what works.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from flowforge.core.errors import FlowForgeError, Temporary
from flowforge.store import answers, archives, chores, ledger, model_answers, retention
from flowforge.store.database import Database
from flowforge.store.retention import PARTITIONED, Retention
from flowforge.store.scope import Actor, Scope
from flowforge.store.transaction import Transaction

T = TypeVar("T")

CHORE = "maintain"
TURN = 10_000  # rows of one kind that one turn of the relay takes: about a second
ALL = 1 << 31  # as many as there are
_BATCH = 1000
_COUNTED = 1_000_000  # a dry run counts no further
_RELAY = Actor(kind="relay")

_PATIENCE = "SET LOCAL lock_timeout = '500ms'"

_MAKE = "SELECT * FROM ff_make_partitions(now(), now() + interval '3 months') AS name"
_MISSING = """
-- As many partitions as `_MAKE` would make.
SELECT name FROM (VALUES ('audit_logs', 'week'), ('job_executions', 'month')) AS kinds (parent, unit)
CROSS JOIN LATERAL generate_series(date_trunc(unit, now() AT TIME ZONE 'UTC'),
    now() AT TIME ZONE 'UTC' + interval '3 months', ('1 ' || unit)::interval) AS low
CROSS JOIN LATERAL format('%%s_%%s', parent, to_char(low, 'YYYYMMDD')) AS name
WHERE to_regclass('public.' || quote_ident(name)) IS NULL ORDER BY 1
"""
_SEALED = """
-- Sealed texts of resolutions after their time; the row stays, without the text.
UPDATE conflict_resolutions SET sealed_text = NULL
WHERE id IN (SELECT id FROM conflict_resolutions WHERE sealed_text IS NOT NULL AND expires_at < now()
             ORDER BY expires_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
"""
_DELIVERED = """
-- Deliveries that were made a week ago.
DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < now() - interval '7 days'
                                ORDER BY done_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
"""
_DUE = """
SELECT (SELECT count(*) FROM conflict_resolutions WHERE sealed_text IS NOT NULL AND expires_at < now()) AS erased,
       (SELECT count(*) FROM outbox WHERE done_at < now() - interval '7 days') AS forgotten,
       (SELECT count(*) FROM budget_reservations WHERE state = 'reserved' AND expires_at < now()) AS expired
"""


@dataclass(frozen=True, kw_only=True)
class Maintained:
    """What one run did, or (of a dry run) would do."""

    made: tuple[str, ...] = ()  # partitions
    dropped: tuple[str, ...] = ()
    erased: int = 0  # sealed texts of resolutions
    forgotten: int = 0  # delivered letters of the outbox
    expired: int = 0  # reservations of money
    events: int = 0  # rows of job_events
    chunks: int = 0  # rows of log_chunks
    operations: int = 0  # rows of git_operations
    stages: int = 0  # rows of stage_runs
    answers: int = 0  # rows of conflict_resolutions
    pushes: int = 0  # rows of push_intents
    calls: int = 0  # rows of model_usage
    reservations: int = 0  # of money, settled long ago
    memories: int = 0  # rows of kept_answers
    replies: int = 0  # rows of model_answers
    texts: int = 0  # finished jobs whose definition and variables were erased
    more: bool = False  # a bound was met; the next run goes on
    trouble: tuple[str, ...] = ()  # steps that could not be done, each a sentence


_COUNTS = {
    "job_events": "events",
    "log_chunks": "chunks",
    "git_operations": "operations",
    "stage_runs": "stages",
    "conflict_resolutions": "answers",
    "push_intents": "pushes",
}
_SPENT = {"model_usage": "calls", "budget_reservations": "reservations"}


def maintain(database: Database, keep: Retention, *, most: int = ALL) -> Maintained:
    """Do all of it, each step in transactions of its own; `most` rows of a kind.

    Never raises for what a step meets: it is in `trouble`.
    """
    work = _Work(database=database, most=most)
    made = work.names("making partitions", lambda tx: [str(row["name"]) for row in tx.rows(_MAKE)])
    dropped = [name for parent in PARTITIONED for name in _dropped(work, parent, keep.of(parent))]
    counts = {
        "erased": work.rows("erasing sealed texts", lambda tx, size: tx.run(_SEALED, most=size)),
        "forgotten": work.rows("forgetting deliveries", lambda tx, size: tx.run(_DELIVERED, most=size)),
        "expired": work.rows("booking reservations", lambda tx, size: ledger.expire(tx, limit=size)),
        "texts": _texts(work, keep.texts),
        "memories": _memories(work, keep.memory),
        "replies": work.rows("forgetting answers of models", model_answers.forget),
        **{name: _forgotten(work, kind, keep.of(kind)) for kind, name in _COUNTS.items()},
        **{name: _spent(work, kind, keep.of(kind)) for kind, name in _SPENT.items()},
    }
    return _maintained(made, dropped, counts, more=work.more, trouble=tuple(work.trouble))


def foresee(database: Database, keep: Retention) -> Maintained:
    """What `maintain` would do now. Counts end at a million: there are at least so many.

    Raises:
        Temporary: the database is away.
    """
    with database.transaction(Scope.system(), read_only=True) as tx:
        counts = {
            name: retention.forgettable(tx, kind, keep.of(kind), _COUNTED) if keep.of(kind) else 0
            for kind, name in _COUNTS.items()
        }
        counts |= {
            name: retention.forgettable_spent(tx, kind, keep.of(kind), _COUNTED) if keep.of(kind) else 0
            for kind, name in _SPENT.items()
        }
        counts["memories"] = answers.unused(tx, keep.memory, _COUNTED) if keep.memory else 0
        counts["replies"] = model_answers.over(tx, _COUNTED)
        counts["texts"] = retention.erasable(tx, keep.texts, _COUNTED) if keep.texts else 0
        made = [str(row["name"]) for row in tx.rows(_MISSING)]
        past = [
            retention.past(tx, parent, keep.of(parent)) if keep.of(parent) else [] for parent in PARTITIONED
        ]
        dropped = [name for names in past for name in names]
        return _maintained(made, dropped, {**counts, **(tx.row(_DUE) or {})})


def _maintained(
    made: Sequence[str],
    dropped: Sequence[str],
    counts: Mapping[str, int],
    *,
    more: bool = False,
    trouble: tuple[str, ...] = (),
) -> Maintained:
    return Maintained(made=tuple(made), dropped=tuple(dropped), more=more, trouble=trouble, **counts)


def take_turn(database: Database, keep: Retention, every: float) -> Maintained | None:
    """The relay's turn: a bounded piece of work, if it is due and no other relay has it; None otherwise.

    Raises:
        Temporary: the database is away.
    """
    with database.transaction(Scope.system(), actor=_RELAY) as tx:
        if not chores.begin(tx, CHORE, every):
            return None
    done = maintain(database, keep, most=TURN)
    note(database, done)
    return done


def note(database: Database, done: Maintained) -> None:
    """Let everybody see what was done last."""
    with database.transaction(Scope.system(), actor=_RELAY) as tx:
        chores.end(tx, CHORE, vars(done), "; ".join(done.trouble))


@dataclass(kw_only=True)
class _Work:
    """Steps in transactions of their own, and what they met."""

    database: Database
    most: int
    more: bool = False
    trouble: list[str] = field(default_factory=list)

    def names(self, what: str, step: Callable[[Transaction], list[str]]) -> list[str]:
        return self._tried(what, step) or []

    def rows(self, what: str, step: Callable[[Transaction, int], int]) -> int:
        """Repeat a bounded step until it finds less than its bound, or `most` are done."""

        def batch(size: int) -> int | None:
            return self._tried(what, lambda tx: step(tx, size))

        total = 0
        while total < self.most:
            size = min(_BATCH, self.most - total)
            found = batch(size)
            total += found or 0
            if found is None or found < size:
                return total
        self.more = True
        return total

    def _tried(self, what: str, step: Callable[[Transaction], T]) -> T | None:
        try:
            with self.database.transaction(Scope.system(), actor=_RELAY) as tx:
                tx.run(_PATIENCE)
                return step(tx)
        except FlowForgeError as error:
            later = "; it is tried again the next time" if isinstance(error, Temporary) else ""
            self.trouble.append(f"{what}: {error.sentence}{later}")
            return None


def _dropped(work: _Work, parent: str, days: int) -> list[str]:
    if not days:
        return []
    return work.names(f"dropping partitions of {parent}", lambda tx: retention.drop_past(tx, parent, days))


def _forgotten(work: _Work, kind: str, days: int) -> int:
    if not days:
        return 0

    def step(tx: Transaction, size: int) -> int:
        if kind == "log_chunks":
            archives.lapse(tx, days, size)  # a reader finds a whole log, or that it was removed; never a part
        return retention.forget(tx, kind, days, size)

    return work.rows(f"forgetting {kind}", step)


def _spent(work: _Work, kind: str, days: int) -> int:
    if not days:
        return 0
    return work.rows(f"forgetting {kind}", lambda tx, size: retention.forget_spent(tx, kind, days, size))


def _texts(work: _Work, days: int) -> int:
    if not days:
        return 0
    return work.rows("erasing texts of jobs", lambda tx, size: retention.erase_texts(tx, days, size))


def _memories(work: _Work, days: int) -> int:
    if not days:
        return 0
    return work.rows(
        "forgetting answers to conflicts", lambda tx, size: answers.forget_unused(tx, days, size)
    )
