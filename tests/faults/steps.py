"""The steps of the hands, each with what is expected of it, said from the rows as they were before it."""

from collections.abc import Callable, Sequence
from uuid import UUID

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result, State
from flowforge.git.push import DEADLINE
from flowforge.jobs.pushing import LANDED, OPEN
from flowforge.jobs.session import Stop
from flowforge.jobs.undo import MARGIN
from flowforge.pipeline.undoing import UNDO
from tests.faults.hands import Hand, lost, refusal
from tests.faults.hands import Phase as At
from tests.faults.oracle import Row
from tests.faults.scene import LEASE, Scene

_CLAIMABLE = """
SELECT state = 'queued' AND attempts < max_attempts AND (run_after IS NULL OR run_after <= now())
   AND NOT EXISTS (SELECT FROM jobs w WHERE w.state = 'running' AND w.repository = j.repository AND w.id <> j.id
                   AND (w.ref_key = j.ref_key OR w.concurrency_group = j.concurrency_group AND j.concurrency_group <> ''))
   AND NOT EXISTS (SELECT FROM pauses p WHERE p.organization = j.organization)
   AS so FROM jobs j WHERE id::text = %(id)s
"""


class Steps(Scene):
    """What a hand does, and that it is refused exactly where it should be."""

    def claims(self, job: UUID | str, hand: Hand) -> str:
        """A claim succeeds exactly where the job is to be had."""
        before = self.row(job)
        expected = bool(self.truth.rows(_CLAIMABLE, id=str(job))[0]["so"])
        mine = self.world.claim(self.world.job(before["id"]), hand.owner, lease=LEASE)
        assert (mine is not None) is expected, (
            f"claimed: {mine is not None}, and it was to be had: {expected}"
        )
        if mine is None:
            return "not to be had"
        assert (mine.fence, mine.attempts) == (before["fence"] + 1, before["attempts"] + 1)
        hand.take(mine)
        return "had"

    def writes(self, hand: Hand, step: Callable[[], object]) -> str:
        """A step that writes is refused exactly where the job is another's; a stale hand is free then."""
        stale = self.stale(hand)
        assert lost(step) is stale, f"fence {hand.mine.fence} of {hand.mine.id}: stale is {stale}"
        if stale:
            hand.drop()
        return "refused" if stale else "written"

    def begins(self, hand: Hand) -> str:
        """A beginning is written with what comes next, so only a session that knows that it is lost is refused."""
        knows = hand.knows
        assert lost(hand.begin) is knows
        if knows:
            hand.drop()
        return "refused" if knows else "written"

    def rebases(self, hand: Hand, *, lost: bool) -> None:
        tip, upstream = self.remote.tip(hand.mine.branch), self.remote.tip("main")
        hand.finish_work(tip, upstream, lost=lost)

    def intends(self, hand: Hand) -> None:
        """An intent is refused exactly where the cancel was first, or where a push from elsewhere may have landed."""
        assert hand.work is not None
        row, meant = self.row(hand.mine.id), self.meant(hand.mine.id)
        outcomes = {one["outcome"] for one in meant}
        open_ = [one for one in meant if one["outcome"] in OPEN]
        doubts = {one["old_sha"] for one in open_}
        found = hand.work.old_head in {
            one["new_sha"] for one in open_
        }  # its own commit: that push has landed
        expected = None
        if row["cancel_requested"] and not outcomes & {"intended", "unknown", "pushed", "already"}:
            expected = Reason.CANCELLED
        elif not found and not outcomes & {"pushed", "already"} and doubts - {hand.work.old_head}:
            expected = Reason.REMOTE_MOVED
        _, error = refusal(hand.intend)
        assert error is expected, f"the intent was answered by {error}, not by {expected}"
        if error:
            hand.fail(Refused(error, "the push may not begin"))

    def seeks(self, hand: Hand) -> str:
        """An undo goes on exactly where the ref is what the job has left there, and no push of that is under way."""
        tip, own = self.remote.tip(hand.mine.branch), self.meant(hand.mine.id)
        theirs = self.meant(str(hand.mine.parent_job))
        waits, back = still_under_way(theirs), tip in {row["old_sha"] for row in theirs}
        there = tip in {row["new_sha"] for row in theirs}
        refused = bool(own) and back and not there and not waits and self.stale(hand)
        assert lost(lambda: hand.seek(tip)) is refused
        if refused:
            hand.drop()
            return "refused"
        assert (hand.phase is At.WORKED) is (there and not waits), f"{tip} of {theirs}: {hand.ending}"
        if hand.ending is not None:
            well = hand.ending.result is Result.SUCCESS
            assert well is (back and not waits), f"{tip} of {theirs}: {hand.ending}"
        return "there" if there else "back" if back else "moved"

    def pushes(self, hand: Hand, *, reply_lost: bool) -> str:
        """The ref moves exactly where the remote still has what the push expects, and it may still be sent."""
        assert hand.work is not None
        old, new, before = hand.work.old_head, hand.work.head, self.remote.tip(hand.mine.branch)
        sends = hand.mirror.seen[-1] == old and old not in {new, *hand.own()}
        late, knows = self.now - hand.meant_at > DEADLINE, hand.knows
        job = hand.mine.id
        assert lost(lambda: self.sends(hand, reply_lost)) is (sends and knows), "a lost lease is kept to"
        lands = sends and not knows and not late and before == old and not self.remote.closed
        assert not (lands and job in self.undone), "what was undone is pushed again"
        after = self.remote.tip(hand.mine.branch)
        assert after == (new if lands else before), f"{before} became {after}: {old} -> {new}, late: {late}"
        if sends and knows:
            hand.drop()
            return "kept back"
        return hand.said

    def sends(self, hand: Hand, reply_lost: bool) -> None:
        hand.said = hand.push(reply_lost=reply_lost)

    def ends(self, hand: Hand) -> str:
        job, stale, waits = hand.mine, self.stale(hand), self.will_wait(hand)
        moved = hand.end()
        self.hold_delays()
        assert (moved is None) is stale, (
            f"fence {job.fence} of {job.id} ended it: {moved is not None}, stale: {stale}"
        )
        if moved is None:
            return "refused"
        assert (moved.job.state is State.WAITING) is waits, f"{moved.job.state}, and it should wait: {waits}"
        if job.trigger == UNDO and job.parent_job and moved.job.state is State.SUCCESS:
            self.undone.add(job.parent_job)
        ending = moved.job.ending
        return moved.job.state.value + (f" {ending.reason.value}" if ending and moved.job.final else "")

    def will_wait(self, hand: Hand) -> bool:
        """Whether a hand that asked makes its job wait: not where it shall stop, nor with a push in doubt."""
        doubt = any(row["outcome"] in OPEN for row in self.meant(hand.mine.id))
        stops = hand.session.why is not Stop.NO or self.row(hand.mine.id)["cancel_requested"]
        return hand.asking is not None and not doubt and not stops

    def prepares(self, hand: Hand, *, bundle_lost: bool) -> str:
        """What comes before the intent."""
        if hand.undoes:
            return self.seeks(hand)
        return self.writes(hand, lambda: self.rebases(hand, lost=bundle_lost))

    def runs_well(self, hand: Hand) -> None:
        self.begins(hand)
        assert self.prepares(hand, bundle_lost=False) != "refused"
        if hand.phase is At.WORKED:
            assert self.writes(hand, lambda: self.intends(hand)) == "written"
        if hand.phase is At.INTENDED:
            hand.look()
            self.pushes(hand, reply_lost=False)
            assert self.writes(hand, hand.settle) == "written"
        self.ends(hand)


def still_under_way(meant: Sequence[Row]) -> bool:
    """Whether a push of these may come to the remote yet: only one that its own attempt has settled is over at once."""
    if len(meant) == 1 and meant[0]["outcome"] in LANDED:
        return False
    return any(row["age"] < DEADLINE + MARGIN for row in meant)
