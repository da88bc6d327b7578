"""The intent to push: what orders it against cancel, and what earlier attempts of the same job leave open to this one.

Per job and ref the remote moves at most once. An attempt that begins anew has read the branch again, and what it
finds there may be a person's work on top of what this very job pushed: its lease would be exact, and a second update.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job
from flowforge.pipeline import story
from flowforge.store import jobs as table
from flowforge.store import stages
from flowforge.store.transaction import Transaction

LANDED = frozenset({"pushed", "already"})
OPEN = frozenset({"intended", "unknown"})


@dataclass(frozen=True, kw_only=True)
class Meant:
    """One intent of an earlier attempt."""

    old: str
    new: str
    outcome: str  # intended | pushed | already | moved | rejected | unknown


@dataclass(frozen=True, kw_only=True)
class Push:
    """What an attempt wants to do to a ref."""

    ref: str
    old: str
    new: str
    what: str  # push | undo
    backup: str = ""  # reference of the bundle that holds `old`


def intend(transaction: Transaction, claimed: Job, push: Push) -> tuple[int | None, str]:
    """Write the intent under the job's row lock.

    Returns:
        the number of its event (0: none was needed; None: the lease is another's), and the commit that this job has
        brought to the ref already, "" where the push may go on.

    Raises:
        Refused: cancelled, when the cancel had the job's row first and no push of this job may have landed; and
            what `landed` raises.
    """
    job = table.lock_mine(transaction, claimed.id, claimed.fence)
    if job is None:
        return None, ""
    known = table.pushes(transaction, job.id)
    if job.cancel_requested and not known.pushed and not known.unsettled:
        raise Refused(Reason.CANCELLED, "the job was cancelled before it pushed")
    earlier = [Meant(**row) for row in stages.meant(transaction, job.id, push.ref)]
    there = landed(earlier, push.old)
    if there:
        return _settled(transaction, job, push.ref, there, earlier), there
    told = story.push_intent(push.ref, push.old, push.new)
    seq = stages.intend(
        transaction,
        job.id,
        job.fence,
        ref=push.ref,
        old=push.old,
        new=push.new,
        story=told,
        what=push.what,
        bundle=push.backup,
    )
    return seq, ""


def _settled(
    transaction: Transaction, job: Job, ref: str, there: str, earlier: Sequence[Meant]
) -> int | None:
    """Write down that what was in doubt has landed; 0 where it is written already."""
    if not any(one.new == there and one.outcome in OPEN for one in earlier):
        return 0
    told = story.push_settled(ref, there, "already")
    return stages.settle(transaction, job.id, job.fence, ref=ref, new=there, outcome="already", story=told)


def landed(earlier: Sequence[Meant], old: str) -> str:
    """The commit that this job has brought to the ref already, "" where it may push from `old`.

    A push in doubt has landed where the attempt has found the very commit at the branch: `old` is that then.

    Raises:
        Refused: remote_moved, a push from another tip may have landed, and the ref has changed since.
    """
    found = (one.new for one in earlier if one.outcome in OPEN and one.new == old)
    done = next((one.new for one in earlier if one.outcome in LANDED), next(found, ""))
    doubt = next((one for one in earlier if one.outcome in OPEN and one.old != old), None)
    if done or doubt is None:
        return done
    raise Refused(
        Reason.REMOTE_MOVED,
        f"an earlier attempt may have pushed {doubt.new[:10]} from {doubt.old[:10]}, and the branch has changed since",
        next_action="look whether the branch holds that commit; if not, submit again",
    )
