"""What became of each conflict of a job, for people to read. `stages.add_resolutions` writes these rows."""

from collections.abc import Sequence
from uuid import UUID

from flowforge.store.transaction import Row, Transaction

_OF_JOB = """
-- The last attempt's answers, in the order in which they were given; sealed texts stay sealed.
SELECT path, kind, method, hunks, model, success, sentence, stage, attempt, commit_id, at
FROM conflict_resolutions r WHERE job = %(job)s
    AND attempt = (SELECT max(attempt) FROM conflict_resolutions WHERE job = %(job)s AND stage = r.stage)
ORDER BY id LIMIT %(limit)s
"""


def of_job(transaction: Transaction, job: UUID, limit: int) -> Sequence[Row]:
    """At most `limit` conflicts of the job's last attempts."""
    return transaction.rows(_OF_JOB, job=job, limit=limit)
