"""The statements over `kept_answers`. Whoever changes what is kept of a repository holds its lock until the commit.

So rules over what was there before can be decided outside SQL, two jobs with one key are one after the other, and
what somebody forgets does not come back by a job that had just read it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flowforge.store.transaction import Row, Transaction

_AT_ONCE = 5000  # keys in one question

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('kept_answers'), hashtext(%(repository)s::text))"

_FIND = """
-- Under these keys, the texts sealed.
SELECT key, digest, sealed_text, rung, rule, why, confirmed, by_user, by_name, refused, job, commit_id, last_job,
       last_commit, uses
FROM kept_answers
WHERE organization = %(organization)s AND repository = %(repository)s AND key = ANY(%(keys)s::bytea[])
"""

_OTHERWISE = """
ON CONFLICT (organization, repository, key) DO UPDATE SET
    created_at = CASE WHEN kept_answers.digest = excluded.digest AND kept_answers.job IS NOT DISTINCT FROM excluded.job
                      THEN kept_answers.created_at ELSE now() END,
    last_used_at = now(), digest = excluded.digest, sealed_text = excluded.sealed_text, size = excluded.size,
    rung = excluded.rung, rule = excluded.rule, why = excluded.why, confirmed = excluded.confirmed,
    by_user = excluded.by_user, by_name = excluded.by_name, refused = excluded.refused, job = excluded.job,
    commit_id = excluded.commit_id, last_job = excluded.last_job, last_commit = excluded.last_commit,
    uses = excluded.uses
"""

_USED = """
-- The same texts were used once more.
UPDATE kept_answers SET uses = uses + 1, last_job = %(job)s, last_commit = %(commit)s, last_used_at = now()
WHERE organization = %(organization)s AND repository = %(repository)s AND key = ANY(%(keys)s::bytea[])
"""

_JUDGED = """
-- Somebody, or a test, has said something of it.
UPDATE kept_answers SET confirmed = %(confirmed)s, refused = %(refused)s, by_user = %(user)s, by_name = %(name)s
WHERE organization = %(organization)s AND repository = %(repository)s AND key = ANY(%(keys)s::bytea[])
"""

_DROP = """
DELETE FROM kept_answers
WHERE organization = %(organization)s AND repository = %(repository)s AND key = ANY(%(keys)s::bytea[])
"""

# Of a glob, what an index can look for comes first, then what is cheap: the expression itself costs most of a row.
_CHOSEN = """
repository = %(repository)s
    AND (%(key_from)s::bytea IS NULL OR (key >= %(key_from)s AND key <= %(key_to)s))
    AND (%(path_from)s::text IS NULL
         OR (path COLLATE "C" >= %(path_from)s AND path COLLATE "C" < %(path_to)s))
    AND (%(like)s::text IS NULL OR path COLLATE "C" LIKE %(like)s)
    AND (%(path)s::text IS NULL OR path COLLATE "C" ~ %(path)s)
    AND (%(person)s::text IS NULL OR by_user::text = lower(%(person)s) OR lower(by_name) = lower(%(person)s))
    AND (%(before)s::timestamptz IS NULL OR last_used_at < %(before)s)
"""

_SHOWN = "key, path, size, rung, rule, why, confirmed, by_user, by_name, refused, job, commit_id, uses, created_at, last_used_at"

_PAGE = f"""
-- Newest first, those behind the cursor. Which ones is asked of an index alone: rows hold texts, and are wide.
SELECT {_SHOWN} FROM kept_answers JOIN (
    SELECT organization AS whose, repository AS shelf, key AS place FROM kept_answers WHERE {_CHOSEN}
    AND (%(after_at)s::timestamptz IS NULL OR (created_at, key) < (%(after_at)s, %(after_key)s::bytea))
    ORDER BY created_at DESC, key DESC LIMIT %(limit)s
) AS found ON organization = whose AND repository = shelf AND key = place
ORDER BY created_at DESC, key DESC
"""  # noqa: S608 (our own constants)

_ONE = f"""
SELECT organization, repository, digest, sealed_text, {_SHOWN} FROM kept_answers
WHERE repository = %(repository)s AND key = %(key)s
"""  # noqa: S608 (our own constants)

_FORGET = f"""
DELETE FROM kept_answers USING (
    SELECT organization AS whose, repository AS shelf, key AS place FROM kept_answers WHERE {_CHOSEN}
    ORDER BY created_at, key LIMIT %(most)s
) AS found WHERE organization = whose AND repository = shelf AND key = place
"""  # noqa: S608 (our own constants)

_UNUSED = """
SELECT ctid FROM kept_answers WHERE last_used_at < now() - make_interval(days => %(days)s)
ORDER BY last_used_at LIMIT %(most)s
"""

_FORGET_UNUSED = f"DELETE FROM kept_answers WHERE ctid = ANY (ARRAY({_UNUSED} FOR UPDATE SKIP LOCKED))"  # noqa: S608
_COUNT_UNUSED = f"SELECT count(*) FROM ({_UNUSED}) AS found"  # noqa: S608 (our own constants)

_NAME = "SELECT coalesce(nullif(name, ''), email) FROM users WHERE id = %(user)s"


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Whose answers: rows of one repository."""

    organization: UUID
    repository: UUID


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which answers of a repository; None leaves all."""

    key_from: bytes | None = None  # with `key_to`, both included
    key_to: bytes | None = None
    path: str | None = None  # a regular expression; the next three say of it what is found faster
    like: str | None = None  # names all that it names, and maybe more
    path_from: str | None = None  # with `path_to`, which is not included, by code points
    path_to: str | None = None
    person: str | None = None  # id or name
    before: datetime | None = None  # used last


def lock(transaction: Transaction, repository: UUID) -> None:
    """Nobody else changes what is kept of the repository until this transaction ends."""
    transaction.run(_LOCK, repository=repository)


def find(transaction: Transaction, shelf: Shelf, keys: Collection[bytes]) -> list[Row]:
    """Rows of these keys, in one question (of 5000 keys each)."""
    wanted = sorted(keys)
    pieces = [wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE)]
    return [row for piece in pieces for row in transaction.rows(_FIND, **vars(shelf), keys=piece)]


def put(transaction: Transaction, rows: Sequence[Mapping[str, object]]) -> None:
    """Store answers, each instead of what stood under its key."""
    transaction.insert("kept_answers", *rows, otherwise=_OTHERWISE)


def note_use(transaction: Transaction, shelf: Shelf, keys: Sequence[bytes], job: UUID, commit: str) -> None:
    transaction.run(_USED, **vars(shelf), keys=list(keys), job=job, commit=commit)


def judge(
    transaction: Transaction,
    shelf: Shelf,
    keys: Sequence[bytes],
    *,
    confirmed: str,
    refused: str,
    user: UUID | None,
    name: str | None,
) -> None:
    transaction.run(
        _JUDGED, **vars(shelf), keys=list(keys), confirmed=confirmed, refused=refused, user=user, name=name
    )


def drop(transaction: Transaction, shelf: Shelf, keys: Sequence[bytes]) -> None:
    transaction.run(_DROP, **vars(shelf), keys=list(keys))


def page(
    transaction: Transaction,
    repository: UUID,
    chosen: Chosen,
    *,
    limit: int,
    after: tuple[datetime, bytes] | None = None,
) -> list[Row]:
    at, key = after or (None, None)
    return transaction.rows(
        _PAGE, repository=repository, **vars(chosen), limit=limit, after_at=at, after_key=key
    )


def one(transaction: Transaction, repository: UUID, key: bytes) -> Row | None:
    """An answer with its sealed text."""
    return transaction.row(_ONE, repository=repository, key=key)


def forget(transaction: Transaction, repository: UUID, chosen: Chosen, most: int) -> int:
    """Delete at most so many, the oldest first; returns how many."""
    return transaction.run(_FORGET, repository=repository, **vars(chosen), most=most)


def forget_unused(transaction: Transaction, days: int, most: int) -> int:
    """Delete answers that nobody used for so many days, at most so many; returns how many."""
    return transaction.run(_FORGET_UNUSED, days=days, most=most)


def unused(transaction: Transaction, days: int, most: int) -> int:
    """How many `forget_unused` would delete; `most` stands for "at least so many"."""
    return int(transaction.value(_COUNT_UNUSED, days=days, most=most))


def name_of(transaction: Transaction, user: UUID | None) -> str:
    """What a person is called; "" where nobody is known."""
    return str(transaction.value(_NAME, user=user) or "") if user else ""
